"""Directive that lists the messages of errors and warnings of some modules.

The messages are read from the source, so that none is missing and none is out of date::

    ```{messages} sparsedecomp/noise sparsedecomp/blocks
    ```

The argument ``rest`` names all modules that no other list of the page has. What is
filled in when the message is given appears as an ellipsis.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
WARNERS = {"warnings.warn", "warn", "warn_once"}


def text_of(node: ast.expr) -> str:
    """Text of a message, with an ellipsis in the place of every value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "…"
            for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "…"


def _message(arguments: list[ast.expr]) -> str:
    """Longest text among the arguments of a call: some classes take a path first."""
    texts = (re.sub(r"\s+", " ", text_of(each)).strip() for each in arguments)
    return max((t for t in texts if re.search(r"[a-z]{3}", t)), key=len, default="")


def messages_of(path: Path) -> list[tuple[str, str]]:
    """Class and message of the errors and warnings that a module gives."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            kind, call = ast.unparse(node.exc.func), node.exc
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in WARNERS:
            given = [ast.unparse(each) for each in node.args]
            kind = next((g for g in given if g.endswith("Warning")), "UserWarning")
            call = node
        else:
            continue
        message = _message([*call.args, *(word.value for word in call.keywords)])
        if message and not kind.startswith("_"):
            found.append((kind, message))
    return sorted(set(found), key=lambda each: each[1].lower().lstrip("`'…{ "))


def rest_of(page: str) -> list[Path]:
    """Modules of both packages that no list in the source of a page names."""
    given = " ".join(re.findall(r"```\{messages\} (.*)", page)).split()
    listed = set(modules_of([each for each in given if each != "rest"]))
    return [p for p in modules_of(["sparsedecomp", "rsciio_sparse"]) if p not in listed]


def modules_of(prefixes: list[str]) -> list[Path]:
    """Modules in the folders, or at the paths, that are given from the root."""
    found = []
    for prefix in prefixes:
        place = ROOT / prefix
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return found


class Messages(SphinxDirective):
    """Definition list of messages and their classes."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Make the list from the sources, on which the page then depends."""
        items: dict[str, list[str]] = {}
        if self.arguments[0] != "rest":
            paths = modules_of(self.arguments[0].split())
        else:
            page = Path(self.env.doc2path(self.env.docname))
            paths = rest_of(page.read_text(encoding="utf-8"))
        for path in paths:
            self.env.note_dependency(str(path))
            for kind, message in messages_of(path):
                items.setdefault(kind, []).append(message)
        result: list[nodes.Node] = []
        for kind, texts in sorted(items.items()):
            result.append(nodes.paragraph("", "", nodes.strong(text=kind)))
            rows = nodes.bullet_list(classes=["messages"])
            for text in dict.fromkeys(texts):
                rows += nodes.list_item("", nodes.paragraph(text=text))
            result.append(rows)
        return result


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with sphinx."""
    app.add_directive("messages", Messages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

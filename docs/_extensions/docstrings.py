"""Docstrings as reStructuredText.

The docstrings are written to be read in a terminal: equations are indented blocks, and
attributes end in an underscore. Here indented blocks of a description become literal
blocks, and characters that would be markup are escaped where they are none.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_LIST = re.compile(r"\s*([*-]|\d+\.|\.\.|\|) ")
_CODE = re.compile(r"(``.*?``|`[^`]*`_?|:\w+:`[^`]*`)")
_SPECIAL = re.compile(r"(?<![\w`])(\w+)_(?![\w`])|(?<!\*)\*(?=[A-Za-z_(])|\|(?=\S)")


def _escaped(line: str) -> str:
    """Line with a backslash before what would be a reference or the start of markup."""
    parts = _CODE.split(line)
    for i in range(0, len(parts), 2):
        parts[i] = _SPECIAL.sub(
            lambda m: f"{m[1]}\\_" if m[1] else f"\\{m[0]}", parts[i]
        )
    return "".join(parts)


def _sections(lines: list[str]) -> tuple[int, int]:
    """Number of lines before the first section and before the examples."""
    underlines = [
        i for i, line in enumerate(lines[1:], 1) if re.fullmatch(r"-{3,}", line.strip())
    ]
    first = underlines[0] - 1 if underlines else len(lines)
    names = {lines[i - 1].strip(): i - 1 for i in underlines}
    ends = [names[n] for n in ("Examples", "References") if n in names]
    return first, min(ends, default=len(lines))


def convert(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Change the lines of a docstring in place, before numpydoc reads them."""
    first, end = _sections(lines)
    result: list[str] = []
    literal = False
    last = ""
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        after_gap = number > 0 and not lines[number - 1].strip()
        if line.strip() and not indented:
            literal = False
        starts = (
            number < first
            and indented
            and after_gap
            and not literal
            and last
            and not last.startswith(" ")
            and not _LIST.match(last)
            and not last.endswith("::")
        )
        if starts and not last.startswith(".. "):
            result += ["::", ""]
            literal = True
        if last.endswith("::") or last.startswith(".. "):
            literal = literal or indented
        typed = re.match(r"(\w[\w, *]*?\\?)( : )(.*)", line)
        if number >= end or literal or line.lstrip().startswith((">>>", "...")):
            result.append(line)
        elif number >= first and typed and not line.startswith(" "):
            result.append(typed[1] + typed[2] + _escaped(typed[3]))
        elif number < first or line.startswith((" ", "(")):
            result.append(_escaped(line))
        else:
            result.append(line)
        if line.strip():
            last = line
    lines[:] = result


def skip(
    app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: Any
) -> bool | None:
    """Leave out the methods of scikit-learn's routing of metadata."""
    return True if re.search(r"set_\w+_request$", name) else None


def mend_references(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Take out links back to references that numpydoc makes for LaTeX alone."""
    known = {name for node in doctree.findall(nodes.Element) for name in node["ids"]}
    for node in doctree.findall(nodes.citation):
        node["backrefs"] = [name for name in node["backrefs"] if name in known]


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before numpydoc."""
    app.connect("autodoc-process-docstring", convert, priority=100)
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-resolved", mend_references)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The pages of the site: complete, and with snippets that are right.

The tests read the sources of the pages. `python -m pytest -m study tests/docs` runs the
snippets, and `tests/docs/test_site.py` opens the built pages in a browser.
"""

import ast
import importlib
import importlib.util
import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from sparsedecomp._registration import METHODS, METHODS_OF_TYPES
from sparsedecomp.extension.algorithms import ALGORITHMS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"_build", "generated", "auto_examples"} & set(path.relative_to(DOCS).parts)
)
RUN = [*(DOCS / "guide").glob("*.md"), DOCS / "ten_minutes.md"]
# Snippets that need a file of the user, a cluster or a browser.
NEEDS = re.compile(
    r"huge\.hspy|your_file|\"cube\.hspy\"|scheduler:8786|s\.data\[::8|"
    r"spectrum_image\.hspy|results/cube|decomposition_tool|merge_components\(\[1"
)


def module(name):
    """Module of the extensions of the site."""
    spec = importlib.util.spec_from_file_location(
        name, DOCS / "_extensions" / f"{name}.py"
    )
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def snippets(path):
    """Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.S)


def names_of(tree):
    """Attributes of modules of this package that a snippet uses, and its imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spars"):
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("sparsedecomp", "datasets", "plotting"):
                room = node.value.id.removeprefix("sparsedecomp")
                yield ("sparsedecomp" + (f".{room}" if room else ""), node.attr)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_snippets_are_python_and_use_names_that_exist(path):
    for source in snippets(path):
        for room, name in names_of(ast.parse(source)):
            assert hasattr(importlib.import_module(room), name), f"{room}.{name}"


def test_every_page_is_in_a_table_of_contents():
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    listed = set(re.findall(r"^(?:[\w/]+/)?(\w+)$", text, re.MULTILINE))
    missing = [p for p in PAGES if p.stem not in listed and p != DOCS / "index.md"]
    assert len(PAGES) > 50 and not missing


def test_every_method_and_algorithm_has_a_place():
    methods = (DOCS / "api" / "signal_methods.rst").read_text(encoding="utf-8")
    for name in METHODS["hyperspy.signal.BaseSignal"]:
        assert f"BaseSignal.{name}\n" in methods, name
    tree = (DOCS / "which_method.md").read_text(encoding="utf-8")
    for name in ALGORITHMS:
        assert f'"{name}"' in tree
    guide = "".join(
        path.read_text(encoding="utf-8") for path in (DOCS / "guide").glob("*.md")
    )
    names = [name for names in METHODS_OF_TYPES.values() for name in names]
    assert not [name for name in names if f".{name}(" not in guide]


def test_public_packages_are_on_the_page_of_modules():
    page = (DOCS / "api" / "modules.rst").read_text(encoding="utf-8")
    rooms = {
        path.parent.name
        for path in (ROOT / "sparsedecomp").glob("*/__init__.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }
    assert rooms and all(f"sparsedecomp.{room}\n" in page for room in rooms)


def test_every_message_of_the_program_is_on_the_page_of_messages():
    messages = module("messages")
    page = (DOCS / "messages.md").read_text(encoding="utf-8")
    given = " ".join(re.findall(r"```\{messages\} (.*)", page)).split()
    assert given.pop() == "rest"
    shown, rest = set(messages.modules_of(given)), set(messages.rest_of(page))
    every = {*(ROOT / "sparsedecomp").rglob("*.py")}
    assert all(path.is_file() for path in shown) and len(shown) > 100
    assert every <= shown | rest and not shown & rest
    assert "ConvergenceWarning" in page and "MalformedFile" in page


def test_messages_are_read_with_an_ellipsis_for_what_is_filled_in(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "def f(n):\n"
        "    if n:\n        raise ValueError(f'n = {n} was given' + ', expected 0.')\n"
        "    warnings.warn('nothing to do', RuntimeWarning)\n"
    )
    assert module("messages").messages_of(path) == [
        ("ValueError", "n = … was given, expected 0."),
        ("RuntimeWarning", "nothing to do"),
    ]


def test_docstrings_become_restructuredtext():
    docstrings = module("docstrings")
    lines = [
        "Minimise the misfit,", "", "    -log |det Q| + x_,", "", "with |Q| and `y_`.",
        "", "Parameters", "----------", "n : (n_components_, *modes) array",
        "    Number n_ of it.", "", "Examples", "--------", ">>> f(x_)", "y_",
    ]  # fmt: skip
    docstrings.convert(None, "", "", None, None, lines)
    text = "\n".join(lines)
    assert "::\n\n    -log |det Q| + x_,\n\nwith \\|Q| and `y_`." in text
    assert "n : (n_components\\_, \\*modes) array\n    Number n\\_ of it." in text
    assert text.endswith(">>> f(x_)\ny_")


@pytest.mark.study
@pytest.mark.parametrize("path", RUN, ids=lambda p: p.stem)
def test_snippets_of_the_guide_run(path, tmp_path):
    here = Path.cwd()
    os.chdir(tmp_path)
    space = {}
    try:
        for source in snippets(path):
            if not NEEDS.search(source):
                exec(compile(source, str(path), "exec"), space)
            plt.close("all")
    finally:
        os.chdir(here)

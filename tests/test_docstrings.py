"""Docstrings of the public objects follow numpydoc, and each line stands alone."""

import ast
import dataclasses
import importlib
import inspect
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    [*(ROOT / "sparsedecomp").rglob("*.py"), *(ROOT / "rsciio_sparse").rglob("*.py")]
)
# Parameters (PR), returned (RT) and yielded (YD) values, and that there is a docstring
# (GL08) with a summary (SS01). https://numpydoc.readthedocs.io lists the codes.
CODES = re.compile(r"PR\d\d|RT0[1-5]|YD01|GL08|SS01")
# A package is public by the names in its `__all__`.
ROOMS = [
    "sparsedecomp",
    "sparsedecomp.batch",
    "sparsedecomp.blocks",
    "sparsedecomp.datasets",
    "sparsedecomp.decomposition",
    "sparsedecomp.decomposition.tensor",
    "sparsedecomp.fusion",
    "sparsedecomp.gui",
    "sparsedecomp.metrics",
    "sparsedecomp.noise",
    "sparsedecomp.plotting",
    "sparsedecomp.restoration",
    "sparsedecomp.signals",
    "sparsedecomp.superresolution",
    "sparsedecomp.xas",
    "rsciio_sparse",
    "rsciio_sparse.athena",
    "rsciio_sparse.h5oina",
    "rsciio_sparse.nexus_xas",
    "rsciio_sparse.scube",
    "rsciio_sparse.stxm_hdr",
    "rsciio_sparse.xas9809",
    "rsciio_sparse.xas_columns",
    "rsciio_sparse.xdi",
]


def public_objects(room):
    """Dotted name and value of what a room exports, and of the methods of its own."""
    module = importlib.import_module(room)
    for name in module.__all__:
        value = getattr(module, name)
        if not callable(value):
            continue
        yield f"{room}.{name}", value
        if inspect.isclass(value):
            for method, member in vars(value).items():
                kinds = (property, classmethod, staticmethod)
                if not method.startswith("_") and (
                    inspect.isfunction(member) or isinstance(member, kinds)
                ):
                    yield f"{room}.{name}.{method}", getattr(value, method)


def has_own_signature(cls):
    """Whether a class defines its constructor here and not in another library."""
    owner = next(base for base in cls.__mro__ if "__init__" in vars(base))
    return owner.__module__.startswith(("sparsedecomp", "rsciio_sparse"))


def record_errors(cls):
    """Errors in the fields of a dataclass or named tuple, documented as attributes."""
    docstring = NumpyDocString(inspect.getdoc(cls))
    documented = docstring["Attributes"] + docstring["Parameters"]
    fields = getattr(cls, "_fields", None) or [
        field.name for field in dataclasses.fields(cls)
    ]
    names = [name.strip() for entry in documented for name in entry.name.split(",")]
    for name in fields:
        if name not in names and not name.startswith("_"):
            yield f"PR01 {name} is not documented"
    for entry in documented:
        text = " ".join(entry.desc).strip()
        if not entry.type:
            yield f"PR04 {entry.name} has no type"
        if not text:
            yield f"PR07 {entry.name} has no description"
        elif not text.rstrip("`*").endswith((".", ":", ")")):
            yield f"PR09 the description of {entry.name} ends without a full stop"


def errors_of(name, value):
    """Messages of numpydoc about one public object."""
    is_record = inspect.isclass(value) and (
        dataclasses.is_dataclass(value) or hasattr(value, "_fields")
    )
    for code, message in validate(name)["errors"]:
        if not CODES.fullmatch(code):
            continue
        if code in ("PR01", "PR02") and (
            is_record or (inspect.isclass(value) and not has_own_signature(value))
        ):
            continue
        yield f"{name}: {code} {message}"
    if is_record and inspect.getdoc(value):
        yield from (f"{name}: {error}" for error in record_errors(value))


def leaning_descriptions(text):
    """Lines of the docstrings of a module that begin in the middle of a sentence.

    A description is read in a tooltip, without the name above it: not "Of pixels."
    but "Number of pixels."
    """
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, kinds):
            continue
        lines = (ast.get_docstring(node) or "").splitlines()
        for above, line in zip(["", *lines], lines, strict=False):
            indent = len(line) - len(line.lstrip())
            first = not above.strip() or len(above) - len(above.lstrip()) < indent
            if first and re.match(r"\s*(Of|of) ", line):
                yield line.strip()


@pytest.mark.parametrize("room", ROOMS)
def test_public_docstrings_follow_numpydoc(room):
    errors = [e for item in public_objects(room) for e in errors_of(*item)]
    assert not errors, "\n".join(errors)


def test_no_description_leans_on_the_line_above():
    errors = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in SOURCES
        for line in leaning_descriptions(path.read_text(encoding="utf-8"))
    ]
    assert SOURCES and not errors, "\n".join(errors)


def test_every_package_with_public_names_is_checked():
    exporting = {
        ".".join(path.relative_to(ROOT).parent.parts)
        for path in SOURCES
        if path.name == "__init__.py"
        and re.search(r"^__all__ = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert exporting <= set(ROOMS)


def test_the_check_finds_a_description_that_leans_on_its_name():
    text = (
        "def f(n):\n"
        '    """Count.\n\n'
        "    Parameters\n    ----------\n"
        "    n : int\n        Of pixels.\n"
        "    m : int\n        Number of channels\n        of one detector.\n"
        '    """\n'
    )
    assert list(leaning_descriptions(text)) == ["Of pixels."]

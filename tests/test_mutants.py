"""The script of random mutants changes one operator, and finds a module's tests."""

import ast

from .mutants import LEFT_OUT, ROOT, files_of_tests, mutants_of

SOURCE = """
def f(a: int | None, *b) -> int | None:
    # a - b would be shorter
    a += (1) * -2
    if not a or 0 < a <= 1 and b is not None:
        return a ** (2
            - 1)
"""


def changed(source, mutant):
    """Text of a module with one mutant."""
    return source[: mutant.start] + mutant.new.encode() + source[mutant.stop :]


def test_every_operator_becomes_another_one():
    found = [mutant.after for mutant in mutants_of("f.py", SOURCE.encode())]
    assert sorted(found) == [
        "- 1)".replace("-", "+"),
        "a += (1) * 2",
        "a += (1) / -2",
        "a -= (1) * -2",
        "if a or 0 < a <= 1 and b is not None:",
        "if not a and 0 < a <= 1 and b is not None:",
        "if not a or 0 < a <= 1 and b is None:",
        "if not a or 0 < a <= 1 or b is not None:",
        "if not a or 0 < a > 1 and b is not None:",
        "if not a or 0 >= a <= 1 and b is not None:",
        "return a * (2",
    ]


def test_mutants_of_a_module_are_other_programs():
    source = (ROOT / "sparsedecomp/metrics.py").read_bytes()
    mutants = list(mutants_of("sparsedecomp/metrics.py", source))
    assert len(mutants) > 20
    programs = {ast.dump(ast.parse(changed(source, mutant))) for mutant in mutants}
    assert len(programs | {ast.dump(ast.parse(source))}) == len(mutants) + 1


def test_every_module_has_tests_that_are_there():
    for path in (ROOT / "sparsedecomp").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(LEFT_OUT):
            assert all((ROOT / each).exists() for each in files_of_tests(name)), name
    xdi = files_of_tests("rsciio_sparse/xdi/_api.py")
    assert "tests/rsciio_sparse/test_xdi.py" in xdi
    first, *_ = files_of_tests("sparsedecomp/decomposition/nmf/published.py")
    assert first == "tests/decomposition/test_published.py"

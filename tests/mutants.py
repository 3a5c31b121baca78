"""Random mutants: do the tests notice an operator or comparison that is turned round?

``python -m tests.mutants --seed 0 --count 30`` draws operators of the package at
random, except in kernels and plotting. It changes one at a time in a copy of the
checkout and runs the tests of the module there until one fails. A mutant that survives
all of them shows a missing test, unless both programs do the same.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = ("sparsedecomp/kernels", "sparsedecomp/plotting")

# What each operator becomes, by its node of the syntax tree.
OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Pow: ("**", "*"),
    ast.Lt: ("<", ">="),
    ast.LtE: ("<=", ">"),
    ast.Gt: (">", "<="),
    ast.GtE: (">=", "<"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Not: (r"not\s+", ""),
    ast.USub: ("-", ""),
}

# Tests that run first because they fail soonest; those of the folder of the same name
# follow. The longest path that a module begins with decides.
NMF = ["test_descent.py", "test_estimators.py", "test_recovery.py", "test_mn3o4.py"]
POISSON = ["test_nmf_kl.py", "test_interruption.py", "test_abundances.py"]
VERTICES = ["test_vca.py", "test_cone.py", "test_min_volume.py", "test_sss_vca.py"]
FIRST = {
    "sparsedecomp/decomposition/nmf": NMF,
    "sparsedecomp/decomposition/nmf/published": ["test_published.py"],
    "sparsedecomp/decomposition/poisson": POISSON,
    "sparsedecomp/decomposition/geometric": VERTICES,
    "sparsedecomp/decomposition/mcr": ["test_mcr_als.py"],
    "sparsedecomp/decomposition/automatic": ["test_automatic_unmixing.py"],
    "sparsedecomp/decomposition/simplex_likelihood": ["test_simplex_ml.py"],
}
# Modules whose tests lie elsewhere than in the folder of the same name.
ELSEWHERE = {
    "sparsedecomp/batch": ["tests/test_batch.py", "tests/test_cli.py"],
    "sparsedecomp/demo": ["tests/test_cli.py"],
    "sparsedecomp/_registration": ["tests/test_registration.py"],
    "sparsedecomp/__init__": ["tests/test_registration.py"],
    "sparsedecomp/suggestions": ["tests/extension", "tests/test_cli.py"],
}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One changed operator.

    Attributes
    ----------
    path : str
        Module, relative to the checkout.
    line : int
        Line of the change, from 1.
    start, stop : int
        Bytes of the module that are replaced.
    new : str
        What stands there instead.
    before, after : str
        The line without and with the change.
    """

    path: str
    line: int
    start: int
    stop: int
    new: str
    before: str
    after: str


def operators_of(node):
    """Operators of a node, each with the positions between which it is written."""

    def end(part):
        return part.end_lineno, part.end_col_offset

    def begin(part):
        return part.lineno, part.col_offset

    if isinstance(node, ast.BinOp):
        yield node.op, end(node.left), begin(node.right)
    elif isinstance(node, ast.AugAssign):
        yield node.op, end(node.target), begin(node.value)
    elif isinstance(node, ast.UnaryOp):
        yield node.op, begin(node), begin(node.operand)
    elif isinstance(node, ast.BoolOp):
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield node.op, end(left), begin(right)
    elif isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        for op, left, right in zip(node.ops, parts, parts[1:], strict=False):
            yield op, end(left), begin(right)


def nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a module except annotations, whose change changes no result."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from nodes_that_run(child)


def mutants_of(path: str, source: bytes) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    lines = source.splitlines(keepends=True)
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    for node in nodes_that_run(ast.parse(source)):
        for op, begin, end in operators_of(node):
            if not (change := OPERATORS.get(type(op))):
                continue
            old, new = change
            old = old if "\\" in old else re.escape(old)
            first = offsets[begin[0] - 1] + begin[1]
            gap = source[first : offsets[end[0] - 1] + end[1]]
            # Neither a comment in between nor the bracket of an operand is in the way.
            gap = re.sub(rb"#[^\n]*", lambda found: b" " * len(found[0]), gap)
            if not (found := re.search(old.encode(), gap)):
                continue
            start, stop = first + found.start(), first + found.end()
            number = source[:start].count(b"\n") + 1
            row = offsets[number - 1]
            line = lines[number - 1]
            after = line[: start - row] + new.encode() + line[stop - row :]
            yield Mutant(
                path,
                number,
                start,
                stop,
                new,
                line.decode().strip(),
                after.decode().strip(),
            )


def longest(table: dict, path: str) -> list[str]:
    """Entry of a table whose key is the longest beginning of a path."""
    keys = [key for key in table if path == f"{key}.py" or path.startswith(f"{key}/")]
    return table[max(keys, key=len)] if keys else []


def files_of_tests(path: str) -> list[str]:
    """Files and folders of tests that a module's package has, the likeliest first."""
    if found := longest(ELSEWHERE, path):
        return found
    package, *parts = Path(path).with_suffix("").parts
    inner = Path("tests", *([package] if package == "rsciio_sparse" else []), *parts)
    # A module has a file of tests, a group of modules a folder, or the room above.
    own = inner.with_name(f"test_{inner.name}.py")
    files = [own] if (ROOT / own).is_file() else []
    folder = inner.parent
    while not (ROOT / folder).is_dir():
        folder = folder.parent
    files += [folder / name for name in longest(FIRST, path)]
    if folder != Path("tests"):
        words = re.compile(rf"\b{parts[-1]}\b")
        rest = sorted((ROOT / folder).glob("test_*.py"))
        naming = [p for p in rest if words.search(p.read_text(encoding="utf-8"))]
        ordered = [*naming, *rest, *sorted((ROOT / folder).glob("*/test_*.py"))]
        files += [each.relative_to(ROOT) for each in ordered]
    return list(dict.fromkeys(each.as_posix() for each in files))


def copy_checkout(target: Path) -> None:
    """Copy what the tests need, with the compiled kernels and their dates."""
    for name in ("sparsedecomp", "rsciio_sparse", "tests", "benchmarks", "notebooks"):
        shutil.copytree(ROOT / name, target / name)
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "LICENSE"):
        shutil.copy2(ROOT / name, target / name)


def judge(mutant: Mutant, checkout: Path, limit: float) -> dict:
    """Run the tests of a mutant; its row of the report."""
    path = checkout / mutant.path
    original = path.read_bytes()
    changed = original[: mutant.start] + mutant.new.encode() + original[mutant.stop :]
    path.write_bytes(changed)
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-n", "0"]
    command += ["-p", "no:cacheprovider", "--tb=no", *files_of_tests(mutant.path)]
    began = time.monotonic()
    data = os.environ.get("SPARSEDECOMP_DATA_DIR", ROOT / "../shared/data")
    try:
        run = subprocess.run(
            command,
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=limit,
            env={
                **os.environ,
                "PYTHONPATH": str(checkout),
                "SPARSEDECOMP_DATA_DIR": str(Path(data).resolve()),
            },
        )
        told = [x for x in run.stdout.splitlines() if x.startswith(("FAILED", "ERROR"))]
        state = "survived" if run.returncode == 0 else "killed"
        by = (told or [run.stdout.strip() or run.stderr.strip()])[0].split(" - ")[0]
    except subprocess.TimeoutExpired:
        state, by = "time limit", ""
    finally:
        path.write_bytes(original)
    seconds = round(time.monotonic() - began, 1)
    row = {"state": state, "seconds": seconds, "by": by if state == "killed" else ""}
    return row | dataclasses.asdict(mutant)


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 if every mutant was killed."""
    arguments = parse(argv)
    modules = [
        path.relative_to(ROOT).as_posix()
        for package in ("sparsedecomp", "rsciio_sparse")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    every = [
        mutant
        for name in modules
        if arguments.module in name and not name.startswith(LEFT_OUT)
        for mutant in mutants_of(name, (ROOT / name).read_bytes())
    ]
    drawn = random.Random(arguments.seed).sample(
        every, min(arguments.count, len(every))
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        copy_checkout(Path(folder))
        for number, mutant in enumerate(drawn[arguments.skip :], arguments.skip + 1):
            rows.append(judge(mutant, Path(folder), arguments.limit))
            row = rows[-1]
            print(f"{number:3d}  {row['state']:10}  {row['seconds']:6.0f} s  "
                  f"{row['path']}:{row['line']}", flush=True)  # fmt: skip
            print(f"     - {row['before']}\n     + {row['after']}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=1))
    killed = sum(row["state"] == "killed" for row in rows)
    print(f"{killed} of {len(rows)} killed, drawn from {len(every)}")
    return int(killed < len(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--count", type=int, default=30, help="mutants (default: 30)")
    parser.add_argument("--skip", type=int, default=0, help="leave out the first ones")
    parser.add_argument(
        "--module",
        default="",
        help="only paths with this in them",
    )
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds for each (default: 600)"
    )
    parser.add_argument("--json", type=Path, help="file of the report")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())

"""The rules of the house, read from the source: who may import whom, and how."""

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sparsedecomp"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "rsciio_sparse").rglob("*.py")])
KERNELS = sorted(
    [
        *(PACKAGE / "kernels").glob("*.py"),
        *(ROOT / "rsciio_sparse" / "_kernels").glob("*.py"),
    ]
)

# A module imports from its own layer or from a lower one.
LAYER = {
    "kernels": 0,
    "blocks": 1,
    "cache": 2,
    "result_files": 0,
    "results": 2,
    "deprecation": 0,
    "suggestions": 0,
    "metrics": 2,
    "noise": 2,
    "decomposition": 3,
    "superresolution": 4,
    "fusion": 4,
    "restoration": 5,
    "xas": 3,
    "datasets": 3,
    "progress": 4,
    "signals": 5,
    "extension": 6,
    "batch": 7,
    "plotting": 7,
    "gui": 7,
    "demo": 7,
    "cli": 8,
    # These two tie the package together; their imports wait until they are needed.
    "_registration": 9,
    "__init__": 9,
}
# The same within a room of groups: a name stands for a module or a group of them.
GROUPS = {
    "decomposition": {
        "progress": 0,
        "iterate": 1,
        "abundances": 0,
        "base": 2,
        "geometric": 3,
        "initialisation": 4,
        "nmf": 5,
        "segmentation": 5,
        "mcr": 5,
        "poisson": 6,
        "rank": 6,
        "energy_drift": 7,
        "simplex_likelihood": 7,
        "bands": 8,
        "dose": 8,
        "automatic": 8,
        # The report compares the results of all methods.
        "identifiability": 9,
        "tensor": 7,
    },
    "superresolution": {
        "factors": 0,
        "method_table": 0,
        "threads": 0,
        "methods": 1,
        "observation": 1,
        "resolution": 1,
        "gaussian_process": 2,
        "dictionaries": 2,
        # A method names its function by a string: what chooses among methods comes
        # before the solvers.
        "selection": 3,
        "solvers": 4,
        "saturation": 2,
        "frame_checks": 3,
        "registration": 5,
        "mapping": 6,
        "fine_map": 7,
        "multiframe": 8,
        "tuning": 9,
    },
    "fusion": {
        "degradation": 0,
        "subspace": 0,
        "checks": 0,
        "methods": 0,
        "problem": 1,
        "response": 2,
        "process": 2,
        "solvers": 3,
        "trust": 3,
        "verdict": 4,
        "choice": 5,
        "fused": 6,
    },
    "xas": {
        "grids": 0,
        "units": 0,
        "theory": 1,
        "transform": 1,
        "reduction": 2,
        "shells": 2,
        "mixtures": 3,
    },
}
SOLVERS = {
    "kernels",
    "blocks",
    "noise",
    "decomposition",
    "superresolution",
    "fusion",
    "restoration",
    "xas",
}
FRONT_ENDS = {"hyperspy", "exspy", "matplotlib", "ipywidgets", "traits"}
MAX_LINES = 450
# Functions that are written once, in `sparsedecomp.noise`.
NOISE_DECISIONS = {
    "above_noise",
    "count_components",
    "count_gain",
    "is_counts",
    "noise_edge",
    "noise_limit",
    "weigh",
    "whiten",
}
# They copy what is known of the values, or need integers beside counts.
READ_VALUES = {
    "sparsedecomp/decomposition/segmentation/mixture.py",
    "sparsedecomp/decomposition/tensor/compressed_tensor.py",
}

# Kernels are exempt from annotations: numba infers their types.
ANNOTATED = [path for path in SOURCES if path not in KERNELS]


def named(path):
    return str(path.relative_to(ROOT))


def every_file_of(paths):
    """Make a check of one file a test of many, which names every file that fails."""

    def decorate(check):
        def test():
            assert paths
            errors = []
            for path in paths:
                try:
                    check(path)
                except AssertionError as error:
                    errors.append(f"{named(path)}: {error}")
            assert not errors, "\n".join(errors)

        return test

    return decorate


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def room_of(path):
    """First name below ``sparsedecomp``: ``kernels``, ``cli``, ``__init__``."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path):
    """Absolute dotted names that a file imports, at the top or inside functions.

    A string "sparsedecomp.room.module:Name" imports too, when it is needed.
    """
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"sparsedecomp\.[\w.]+:\w+", node.value):
                yield node.value.split(":")[0]


def is_public(node):
    return not node.name.startswith("_")


def public_definitions(tree):
    """Public functions and classes of a module and the public methods of these.

    The signatures of an overloaded function come before it and have no docstring.
    """
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in filter(lambda n: isinstance(n, kinds) and is_public(n), tree.body):
        if any(getattr(each, "id", "") == "overload" for each in node.decorator_list):
            continue
        yield node.name, node
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, kinds) and is_public(method):
                    yield f"{node.name}.{method.name}", method


def exports_of(folder):
    """Whether a name is for other rooms: imported in ``__init__``, or all there are.

    A room whose names are imported when they are used lists them in ``_PUBLIC``, and
    those of its groups with them.
    """
    body = tree_of(folder / "__init__.py").body
    names = {
        alias.name
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names |= {
        key.value
        for node in body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_PUBLIC"
        for key in node.value.keys
    }
    if folder == PACKAGE:
        names = set()
    elif not names and folder.parent.parent == PACKAGE:
        return exports_of(folder.parent)
    return lambda name: not names or name.split(".")[0] in names


def has_init(node):
    return [n for n in node.body if getattr(n, "name", "") == "__init__"]


def arguments_of(node):
    """Names a caller can pass: of a function, or of a class's ``__init__``.

    A dataclass or named tuple has its fields instead.
    """
    if isinstance(node, ast.ClassDef):
        if init := has_init(node):
            return arguments_of(init[0])
        return {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
    a = node.args
    every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
    return {arg.arg for arg in every if arg} - {"self", "cls"}


def documented_parameters(docstring, sections=("Parameters", "Other Parameters")):
    """Names in the given sections of a numpydoc docstring."""
    lines = docstring.splitlines()
    names, section = set(), None
    for line, below in zip(lines, [*lines[1:], ""], strict=False):
        if below and set(below.strip()) == {"-"}:
            section = line.strip()
        elif section in sections:
            if match := re.match(r"^(\*{0,2}\w+(?:, *\*{0,2}\w+)*)\s*(?::|$)", line):
                names |= {name.strip(" *") for name in match[1].split(",")}
    return names


def unannotated(tree):
    """Public functions, methods and constructors that lack an annotation."""
    for name, node in public_definitions(tree):
        functions = has_init(node) if isinstance(node, ast.ClassDef) else [node]
        for function in functions:
            a = function.args
            every = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]
            every = [arg for arg in every if arg and arg.arg not in ("self", "cls")]
            defaults = zip(
                reversed([*a.posonlyargs, *a.args]), reversed(a.defaults), strict=False
            )
            optional = {
                arg.arg
                for arg, value in [
                    *defaults,
                    *zip(a.kwonlyargs, a.kw_defaults, strict=True),
                ]
                if isinstance(value, ast.Constant) and value.value is None
            }
            for arg in every:
                if arg.annotation is None:
                    yield f"{name}: {arg.arg}"
                elif arg.arg in optional and not accepts_none(arg.annotation):
                    yield f"{name}: {arg.arg} may be None"
            if function.returns is None and function.name != "__init__":
                yield f"{name}: returns"


def accepts_none(annotation):
    """Whether an annotation says that None may be passed."""
    text = ast.unparse(annotation)
    return bool(re.search(r"\bNone\b|^Any$|^object$|Optional|ArrayLike", text))


def njit_decorators(tree):
    """(function, decorator) for every compiled function of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                call = decorator.func if isinstance(decorator, ast.Call) else decorator
                name = getattr(call, "attr", getattr(call, "id", ""))
                if name in ("njit", "jit", "vectorize", "guvectorize"):
                    yield node, decorator


@every_file_of(SOURCES)
def test_imports_run_downwards(path):
    if not path.is_relative_to(PACKAGE):
        ours = [name for name in imports_of(path) if name.startswith("sparsedecomp")]
        assert not ours, f"{named(path)} must know nothing of sparsedecomp: {ours}"
        return
    room = room_of(path)
    assert room in LAYER, f"give the new room {room!r} its layer in this test"
    upward = [
        name
        for name in imports_of(path)
        if name.startswith("sparsedecomp.")
        and LAYER.get(name.split(".")[1], 0) > LAYER[room]
    ]
    assert not upward, f"{named(path)} imports from a higher layer: {upward}"


@every_file_of([p for p in PACKAGE.rglob("*.py") if room_of(p) in GROUPS])
def test_groups_of_a_room_import_downwards(path):
    room, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    level = {**GROUPS[room], "__init__": max(GROUPS[room].values()) + 1}
    upward = [
        name
        for name in imports_of(path)
        if name.startswith(f"sparsedecomp.{room}.")
        and level.get(group := name.split(".")[2], level["__init__"]) >= level[rest[0]]
        and group != rest[0]
    ]
    assert not upward, f"{named(path)} imports from a higher group: {upward}"


@every_file_of([p for p in PACKAGE.rglob("*.py") if room_of(p) in SOLVERS])
def test_solvers_know_no_front_end(path):
    known = {name.split(".")[0] for name in imports_of(path)} & FRONT_ENDS
    assert not known, f"{named(path)} imports {known}: solvers work on plain arrays"


def own_loop(tree):
    """Lines of a module that handle Ctrl-C or adapt the momentum of a descent."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "KeyboardInterrupt":
            yield node.lineno
        elif isinstance(node, ast.While | ast.For):
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    if part.id in ("momentum", "ceiling"):
                        yield part.lineno


@every_file_of(sorted((PACKAGE / "decomposition").rglob("*.py")))
def test_one_loop_handles_interrupts_and_extrapolation(path):
    lines = sorted({*own_loop(tree_of(path))})
    if path.name != "iterate.py":
        assert not lines, f"{named(path)}: iterate.py does this (lines {lines})"


@every_file_of(SOURCES)
def test_noise_alone_decides_on_edges_and_counts(path):
    own = PACKAGE / "noise" in path.parents or PACKAGE / "blocks" in path.parents
    if not own:
        functions = (ast.FunctionDef, ast.ClassDef)
        nodes = [n for n in ast.walk(tree_of(path)) if isinstance(n, functions)]
        again = {node.name for node in nodes} & NOISE_DECISIONS
        assert not again, f"{named(path)}: sparsedecomp.noise decides on {again}"
    # Only data that are counts by `count_gain` or `unit_of` may be called counts.
    values = {n.attr for n in ast.walk(tree_of(path)) if isinstance(n, ast.Attribute)}
    assert own or "whole_numbers" not in values or named(path) in READ_VALUES


@every_file_of(KERNELS)
def test_kernels_import_only_numpy_and_numba(path):
    imported = {name.split(".")[0] for name in imports_of(path)}
    if path.name == "__init__.py":
        imported -= {"sparsedecomp"}
    # numba's cache does not notice that a function of another file was edited.
    assert imported <= {"numpy", "numba", "math"}


@every_file_of(SOURCES)
def test_compiled_functions_are_serial_cached_and_in_kernels(path):
    for function, decorator in njit_decorators(tree_of(path)):
        where = f"{named(path)}:{function.name}"
        assert path in KERNELS, f"{where} is compiled outside kernels/"
        assert isinstance(decorator, ast.Call), f"{where} has no options"
        options = {k.arg: getattr(k.value, "value", None) for k in decorator.keywords}
        assert options.get("cache") is True, f"{where} lacks cache=True"
        assert options.get("nogil") is True, f"{where} lacks nogil=True"
        # Under dask's threads a parallel region can abort the process.
        assert not options.get("parallel"), f"{where} is parallel"


@every_file_of(SOURCES)
def test_one_module_accesses_the_learning_results(path):
    # HyperSpy renames what is in them: every other module asks that one.
    lines = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr == "learning_results"
        and ast.unparse(node.value) not in ("sparsedecomp.extension", "extension")
    ]
    assert not lines or path == PACKAGE / "extension" / "learning_results.py", lines


@every_file_of(SOURCES)
def test_only_the_command_line_prints(path):
    calls = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]
    assert not calls or path == PACKAGE / "cli.py", f"print in lines {calls}"


@every_file_of(SOURCES)
def test_modules_are_short_and_say_what_they_are_for(path):
    text = path.read_text(encoding="utf-8")
    length = len(text.splitlines())
    assert length <= MAX_LINES, f"{named(path)} answers more than one question"
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


@every_file_of(SOURCES)
def test_docstrings_document_exactly_the_parameters(path):
    exported, wrong = exports_of(path.parent), []
    for name, node in public_definitions(tree_of(path)):
        docstring = ast.get_docstring(node) or ""
        documented, expected = documented_parameters(docstring), arguments_of(node)
        if isinstance(node, ast.ClassDef) and not has_init(node):
            # Dataclasses, named tuples and what inherits its parameters.
            documented |= documented_parameters(docstring, ("Attributes",))
            expected |= documented
        if not docstring:
            wrong.append(f"{name} has no docstring")
        # What a room keeps to itself may say it in a sentence.
        elif documented != expected and (documented or exported(name)):
            wrong.append(
                f"{name} lacks {sorted(expected - documented)}, "
                f"documents in vain {sorted(documented - expected)}"
            )
    assert not wrong


@every_file_of(ANNOTATED)
def test_public_signatures_are_annotated(path):
    assert not list(unannotated(tree_of(path)))


def test_the_check_of_annotations_finds_what_is_missing():
    tree = ast.parse(
        "def fit(X, y: int, *, tol: float = None) -> int: ...\n"
        "class Model:\n"
        "    def __init__(self, rank, seed: int | None = None): ...\n"
        "    def score(self): ...\n"
        "    def _private(self, x): ...\n"
    )
    assert list(unannotated(tree)) == [
        "fit: X",
        "fit: tol may be None",
        "Model: rank",
        "Model.score: returns",
    ]


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    code = (
        "import sys, sparsedecomp\n"
        "heavy = {'hyperspy', 'numba', 'sklearn', 'dask', 'scipy', 'matplotlib'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    # From another folder, with the path that this process has.
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT]))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


def test_every_public_name_can_be_imported():
    import sparsedecomp

    for name in sparsedecomp.__all__:
        assert getattr(sparsedecomp, name) is not None
        assert name in dir(sparsedecomp)


def test_public_packages_are_attributes_of_the_package():
    import sparsedecomp

    inner = {"extension", "kernels"}
    for folder in PACKAGE.glob("*/__init__.py"):
        name = folder.parent.name
        if name not in inner and "__all__" in folder.read_text(encoding="utf-8"):
            assert name in sparsedecomp.__all__
            assert getattr(sparsedecomp, name).__name__ == f"sparsedecomp.{name}"

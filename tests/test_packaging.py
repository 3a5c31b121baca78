"""Metadata, files and commands that a user meets before any code of ours runs."""

import re
import subprocess
import sys
from importlib.metadata import entry_points, metadata, requires

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")


@pytest.fixture(scope="module")
def project(root):
    path = root / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def test_the_extension_file_lies_in_the_package_and_is_linked_at_the_top(root):
    real = root / "sparsedecomp" / "hyperspy_extension.yaml"
    assert real.is_file() and not real.is_symlink()
    link = root / "hyperspy_extension.yaml"
    if not link.is_symlink():
        pytest.skip("this checkout has no symbolic links")
    assert link.samefile(real)


@pytest.mark.parametrize("package", ["sparsedecomp", "rsciio_sparse"])
def test_type_checkers_read_the_annotations_of_the_package(root, package):
    assert (root / package / "py.typed").is_file()


def test_hyperspy_finds_both_names_and_the_one_extension_file():
    names = {
        point.name: point.value for point in entry_points(group="hyperspy.extensions")
    }
    # The undotted name is what HyperSpy looks widgets up by; finding the dotted one
    # imports the package.
    assert names["sparsedecomp"] == "sparsedecomp"
    assert names["sparsedecomp._registration"] == "sparsedecomp._registration"


def test_hyperspy_alone_knows_the_algorithm(tmp_path):
    code = (
        "import hyperspy.api as hs, numpy as np\n"
        "s = hs.signals.Signal1D(np.ones((3, 4, 5)))\n"
        "for signal in (s, s.as_lazy()):\n"
        "    assert 'nmf_so_ard' in signal.decomposition.__doc__\n"
    )
    # From another folder: only what is installed can be found.
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_only_lower_bounds(project):
    extras = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(r for extra in extras for r in extra)]:
        operators = {bound.operator for bound in Requirement(text).specifier}
        assert operators <= {">="}, text


def test_licence_is_the_gpl(root, project):
    assert project["license"] == "GPL-3.0-or-later"
    first = (root / "LICENSE").read_text(encoding="utf-8").split("\n", 3)
    assert first[0].strip() == "GNU GENERAL PUBLIC LICENSE"
    assert first[1].strip() == "Version 3, 29 June 2007"


def test_one_version_everywhere(root):
    import sparsedecomp

    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {sparsedecomp.__version__}\n" in citation
    assert metadata("sparsedecomp")["Version"] == sparsedecomp.__version__


def test_test_extra_has_what_the_tests_import():
    wanted = {
        Requirement(text).name
        for text in requires("sparsedecomp")
        if "extra ==" in text and "test" in text
    }
    assert {"pytest", "hypothesis", "nbclient"} <= wanted


def test_readme_and_ci_run_the_same_commands(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    ci = (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = re.findall(r"^python -m pip install \S+ && .+$", readme, re.MULTILINE)
    assert len(commands) == 2
    assert all(command in ci for command in commands)

"""What a release needs: one version everywhere, a changelog, metadata for archives."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import sparsedecomp

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location(
    "release", ROOT / "packaging" / "release.py"
)
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)


def recipe():
    """Recipe of the conda package."""
    path = ROOT / "packaging" / "conda" / "recipe.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    versions = {citation["version"], recipe()["context"]["version"]}
    assert versions == {sparsedecomp.__version__}


def test_the_version_is_set_in_every_place():
    for place in release.PLACES:
        text = (ROOT / place).read_text(encoding="utf-8")
        new = release.with_version(text, place, "7.8.9")
        assert "7.8.9" in new and sparsedecomp.__version__ not in new
    with pytest.raises(ValueError, match="names 0 versions"):
        release.with_version("nothing", "CITATION.cff", "7.8.9")


def test_the_unreleased_section_becomes_that_of_the_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    new = release.with_release(changes, "7.8.9", "2030-01-31", fragments=False)
    assert "## [Unreleased]\n\n## [7.8.9] - 2030-01-31\n\n### Added" in new
    for _ in range(2):
        new = release.with_release(new, "8.0.0", "2031-01-31", fragments=True)
        assert new.count(release.MARK) == 1
    with pytest.raises(ValueError, match="needs one section"):
        release.with_release("nothing", "8.0.0", "2031-01-31", fragments=True)


def test_fragments_are_of_a_kind_that_the_changelog_has():
    fragments = [
        path.name
        for path in (ROOT / "upcoming_changes").iterdir()
        if path.name != "README.md"
    ]
    kind = re.compile(r"\+?[\w-]+\.(added|changed|fixed|removed)\.md")
    assert all(kind.fullmatch(name) for name in fragments)


def test_the_recipe_names_the_dependencies_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"\ndependencies = \[\n(.*?)\n\]", text, re.S).group(1)
    names = set(re.findall(r'^  "([\w-]+)', listed, re.MULTILINE))
    run = {entry.split()[0] for entry in recipe()["requirements"]["run"]} - {"python"}
    conda = {"hyperspy": "hyperspy-base", "dask": "dask-core"}
    conda["matplotlib"] = "matplotlib-base"
    assert run == {conda.get(name, name) for name in names}


def test_metadata_for_the_archive_are_json_with_title_and_licence():
    found = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert found["license"] == "GPL-3.0-or-later"
    assert found["title"].startswith("sparsedecomp") and found["creators"]

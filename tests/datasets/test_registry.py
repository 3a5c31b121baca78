"""The table of published data sets."""

import re

import pytest

from sparsedecomp import datasets
from sparsedecomp.datasets.registry import DATASETS, find

FREE = ("MIT", "Apache-2.0", "GPL")


def test_names_are_sorted_and_complete():
    assert datasets.names() == sorted(DATASETS)
    assert {"mn3o4", "edx_mantle_lamella", "samson"} <= set(datasets.names())


@pytest.mark.parametrize("name", DATASETS)
def test_every_entry_is_described(name):
    entry = find(name)
    assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    text = datasets.describe(name)
    for part in (name, entry.title, entry.source, entry.licence, entry.citation):
        assert part in text


def test_only_freely_licensed_files_have_an_address():
    fetchable = [entry for entry in DATASETS.values() if entry.url]
    assert fetchable
    for entry in fetchable:
        assert entry.licence.startswith(FREE)
        assert entry.url.startswith("https://")


def test_every_file_has_one_hash_and_every_entry_its_title():
    # Entries may read different records of one file.
    hashes = {(entry.file, entry.sha256) for entry in DATASETS.values()}
    for values in zip(*hashes, strict=True):
        assert len(set(values)) == len(values)
    assert len({entry.title for entry in DATASETS.values()}) == len(DATASETS)


@pytest.mark.parametrize("function", [datasets.load, datasets.describe])
def test_unknown_name_lists_the_known_ones_and_the_closest(function):
    with pytest.raises(ValueError, match="Did you mean 'mn3o4'.*edx_mantle_lamella"):
        function("mn304")
    with pytest.raises(ValueError, match=r"no data set 'xyz'\. Known: amino_acids"):
        function("xyz")

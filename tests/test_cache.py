"""The disk cache: what is read from it, what is replaced, and how files are written."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsedecomp import cache

ARRAYS = {"atoms": np.random.default_rng(0).random((20, 30)), "note": np.array("text")}
KEY = ["options", 3]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    return tmp_path / "feff"


def read(key=KEY, arrays=ARRAYS):
    """The cached arrays, and how often they were computed."""
    calls = []

    def compute():
        calls.append(1)
        return arrays

    def convert(arrays):
        if arrays["atoms"].shape != (20, 30):
            raise ValueError("atoms have an unexpected shape")
        return dict(arrays)

    return cache.cached("feff", "name", key, compute, convert), len(calls)


def test_second_reading_computes_nothing(folder):
    assert read()[1] == 1
    arrays, calls = read()
    assert calls == 0 and arrays.keys() == ARRAYS.keys()
    np.testing.assert_array_equal(arrays["atoms"], ARRAYS["atoms"])
    assert read(key=["options", 4])[1] == 1
    assert len(list(folder.iterdir())) == 2


def truncated(file):
    file.write_bytes(file.read_bytes()[:-50])


def empty(file):
    file.write_bytes(b"")


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)


def without_checksum(file):
    np.savez(file, **ARRAYS)


def other_values(file):
    with np.load(file) as stored:
        np.savez(file, **(dict(stored) | {"atoms": np.zeros((20, 30))}))


def other_shape(file):
    cache._write(file, KEY, ARRAYS | {"atoms": np.zeros((4, 4))})


def other_key(file):
    cache._write(file, ["another"], ARRAYS | {"atoms": np.zeros((20, 30))})


def pickled(file):
    np.savez(file, atoms=np.array([{}], object))


DAMAGES = [
    truncated, empty, flipped, without_checksum, other_values, other_shape,
    other_key, pickled,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_file_is_replaced_and_named_in_the_log(folder, damage, caplog):
    read()
    (file,) = folder.iterdir()
    damage(file)
    arrays, calls = read()
    assert calls == 1
    np.testing.assert_array_equal(arrays["atoms"], ARRAYS["atoms"])
    assert f"The cache file {file} is not valid" in caplog.text
    assert read()[1] == 0
    assert list(folder.iterdir()) == [file]


def test_disk_that_is_full_leaves_no_file_and_no_error(folder, monkeypatch, caplog):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert read()[1] == 1
    assert not list(folder.iterdir())
    assert "was not kept in the cache: [Errno 28]" in caplog.text


def test_folder_is_that_of_the_operating_system(monkeypatch, tmp_path):
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    if sys.platform.startswith("linux"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache.cache_root() == tmp_path / "sparsedecomp"
    else:
        assert cache.cache_root().is_relative_to(Path.home())

"""Finding, checking and fetching files, without leaving this machine."""

import dataclasses
import functools
import hashlib
import http.server
import sys
import threading

import pytest

from sparsedecomp import datasets
from sparsedecomp.datasets import files, registry

CONTENT = b"a published file"


@pytest.fixture
def entry(monkeypatch):
    """A fetchable data set 'tiny' whose reader gives the bytes of its file."""
    tiny = registry.Dataset(
        title="tiny",
        file="folder/tiny.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        read=lambda path, lazy: path.read_bytes(),
        source="nowhere",
        licence="MIT",
        citation="nobody",
        url=None,
    )
    monkeypatch.setitem(registry.DATASETS, "tiny", tiny)
    return tiny


@pytest.fixture
def empty_folder(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("SPARSEDECOMP_DATA_DIR", str(folder))
    monkeypatch.setattr(files, "cache_folder", lambda _: tmp_path / "cache")
    return folder


@pytest.fixture
def server(tmp_path):
    """Address of a local server that offers CONTENT as tiny.bin, and its log."""
    root = tmp_path / "server"
    root.mkdir()
    (root / "tiny.bin").write_bytes(CONTENT)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            requests.append((self.path, int(code)))

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}/", requests
        service.shutdown()
        thread.join()


def at_address(monkeypatch, entry, url):
    changed = dataclasses.replace(entry, url=url)
    monkeypatch.setitem(registry.DATASETS, "tiny", changed)


def test_environment_variable_names_the_folder(empty_folder):
    assert datasets.data_dir() == empty_folder


def test_environment_variable_must_name_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSEDECOMP_DATA_DIR", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="missing', which is not a folder"):
        datasets.data_dir()


def test_file_in_the_folder_is_read(empty_folder, entry):
    path = empty_folder / entry.file
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert datasets.load("tiny") == CONTENT


def test_damaged_file_in_the_folder_is_refused(empty_folder, entry):
    path = empty_folder / entry.file
    path.parent.mkdir()
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(ValueError, match="damaged or another version"):
        datasets.load("tiny")


def test_missing_file_without_address_says_where_it_was_looked_for(empty_folder, entry):
    expected = (
        rf"'tiny' was not found as {empty_folder}/folder/tiny\.bin and cannot be "
        r"fetched.*Set SPARSEDECOMP_DATA_DIR to a folder that holds folder/tiny\.bin"
    )
    with pytest.raises(FileNotFoundError, match=expected):
        datasets.load("tiny")


def test_missing_folder_is_named(monkeypatch, entry):
    monkeypatch.setattr(files, "data_dir", lambda: None)
    with pytest.raises(FileNotFoundError, match="SPARSEDECOMP_DATA_DIR is not set"):
        datasets.load("tiny")


def test_missing_file_is_fetched_once(monkeypatch, empty_folder, entry, server):
    address, requests = server
    at_address(monkeypatch, entry, address + "tiny.bin")
    assert datasets.load("tiny") == CONTENT
    assert datasets.load("tiny") == CONTENT
    assert requests == [("/tiny.bin", 200)]


def test_fetched_file_of_another_hash_is_refused_and_deleted(
    monkeypatch, empty_folder, entry, server, tmp_path
):
    address, _ = server
    at_address(monkeypatch, entry, address + "tiny.bin")
    (tmp_path / "server" / "tiny.bin").write_bytes(b"something else")
    with pytest.raises(ValueError, match="does not match the known hash"):
        datasets.load("tiny")
    assert not (tmp_path / "cache" / "tiny.bin").exists()


def test_damaged_cache_file_is_fetched_again_and_named(
    monkeypatch, empty_folder, entry, server, tmp_path, caplog
):
    address, _ = server
    at_address(monkeypatch, entry, address + "tiny.bin")
    file = tmp_path / "cache" / "tiny.bin"
    file.parent.mkdir()
    file.write_bytes(CONTENT[:5])
    assert datasets.load("tiny") == CONTENT and file.read_bytes() == CONTENT
    assert f"The cache file {file} is damaged" in caplog.text


def test_unreachable_address_says_what_to_do(monkeypatch, empty_folder, entry, server):
    address, _ = server
    at_address(monkeypatch, entry, address + "absent.bin")
    with pytest.raises(
        FileNotFoundError, match="could not be fetched.*404.*Set SPARSE"
    ):
        datasets.load("tiny")


def test_fetching_without_pooch_says_how_to_install_it(
    monkeypatch, empty_folder, entry
):
    at_address(monkeypatch, entry, "http://127.0.0.1:9/tiny.bin")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'pip install "sparsedecomp\[data\]"'
    ):
        datasets.load("tiny")

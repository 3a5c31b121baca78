"""The file that a batch decomposition leaves behind: what it holds, how it is written.

A result file is an ordinary ``.hspy`` file with two signals,
``maps, spectra = hs.load("out.hspy")``: the component maps (components | y, x) and
the component spectra (components | energy), which keep the metadata of the cube.
The cube itself is not in it. ``spectra.learning_results`` is the complete outcome:
``s.learning_results = spectra.learning_results`` hands it back to the cube.

The HDF5 attribute ``sparsedecomp`` records, as JSON, which input was decomposed and
with which settings; ``metadata.Sparsedecomp`` of both signals says the same.
"""

import hashlib
import json
import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ATTRIBUTE = "sparsedecomp"
_PIECE = 2**20
_PIECES = 64


def fingerprint(path):
    """Say in one line which data a file holds, without reading a large one whole.

    Two files agree when their sizes do and a digest of their content: of all of it
    up to 64 MiB, of 64 evenly spaced pieces of 1 MiB, first and last included, above.
    Copying or touching a file does not change it. Of a folder (``.zspy``) the names
    and sizes of the files count.

    Parameters
    ----------
    path : path-like
        File or folder.

    Returns
    -------
    str
        ``"<size in bytes>-<digest>"``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from sparsedecomp.batch import fingerprint
    >>> path = Path(mkdtemp()) / "cube.hspy"
    >>> _ = path.write_bytes(b"spectrum image")
    >>> fingerprint(path)
    '14-910508f8a921b58c'
    """
    path = Path(path)
    digest = hashlib.blake2b(digest_size=8)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        size = sum(p.stat().st_size for p in inside)
        for p in inside:
            name = p.relative_to(path).as_posix()
            digest.update(f"{name} {p.stat().st_size}\n".encode())
        return f"{size}-{digest.hexdigest()}"
    size = path.stat().st_size
    if size <= _PIECE * _PIECES:
        starts = range(0, size, _PIECE)
    else:
        starts = np.linspace(0, size - _PIECE, _PIECES).astype(np.int64).tolist()
    with path.open("rb") as file:
        for start in starts:
            file.seek(start)
            digest.update(file.read(_PIECE))
    return f"{size}-{digest.hexdigest()}"


def read_record(path):
    """Read which input and settings a result file was made with.

    Parameters
    ----------
    path : path-like
        An existing file.

    Returns
    -------
    dict or None
        The record, or None for a file that is not one of our results.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs[ATTRIBUTE])
    except (OSError, KeyError, ValueError):
        return None


def component_signals(decomposed, record):
    """Make the two signals of a result file from a decomposed one.

    Parameters
    ----------
    decomposed : hyperspy.signals.BaseSignal
        A signal after ``decomposition``; its cube is not copied.
    record : dict
        What ``metadata.Sparsedecomp`` of both signals will say.

    Returns
    -------
    maps, spectra : hyperspy.signals.BaseSignal
        Component maps (components | y, x) and spectra (components | energy).
    """
    from sparsedecomp.extension.components import (
        get_component_maps,
        get_component_spectra,
    )
    from sparsedecomp.extension.learning_results import share

    maps = get_component_maps(decomposed)
    spectra = get_component_spectra(decomposed)
    share(decomposed, spectra)
    title = decomposed.metadata.General.get_item("title", "") or "untitled"
    # A lazily loaded file has lazy arrays in its metadata too.
    spectra.metadata.add_dictionary(_in_memory(spectra.metadata.as_dictionary()))
    for part, name in ((maps, "component maps"), (spectra, "component spectra")):
        part.metadata.General.title = f"{title}: {name}"
        part.metadata.add_dictionary({"Sparsedecomp": record})
    return maps, spectra


def _in_memory(tree):
    return {
        key: _in_memory(value) if isinstance(value, dict) else value.compute()
        for key, value in tree.items()
        if isinstance(value, dict) or hasattr(value, "dask")
    }


def write_results(path, decomposed, record, overwrite=False):
    """Write the result file of a decomposed signal, completely or not at all.

    Parameters
    ----------
    path : path-like
        The file to write; its folder must exist.
    decomposed : hyperspy.signals.BaseSignal
        A signal after ``decomposition``.
    record : dict
        Input, settings and outcome, as JSON can hold them.
    overwrite : bool, default=False
        Replace an existing file.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    OSError
        If the file could not be written. Nothing is left behind, and a file that
        was there before is untouched.
    """
    import h5py

    maps, spectra = component_signals(decomposed, record)
    with _replacing(Path(path), overwrite) as (whole, other), _uninterrupted():
        # The maps are written three times: alone, among the learning results, merged.
        _reserve(whole, 4 * (maps.data.nbytes + spectra.data.nbytes))
        maps.save(whole, overwrite=True, show_progressbar=False)
        spectra.save(other, overwrite=True, show_progressbar=False)
        # HyperSpy writes one signal per file and reads any number of them.
        with h5py.File(whole, "r+") as file, h5py.File(other, "r") as more:
            for name in more["Experiments"]:
                more.copy(f"Experiments/{name}", file["Experiments"])
            file.attrs[ATTRIBUTE] = json.dumps(record)


def _reserve(path, size):
    """Fail here if there is no room: HDF5 cannot close a file that it cannot write."""
    with path.open("wb") as file:
        for _ in range(0, size, _PIECE):
            file.write(bytes(_PIECE))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _uninterrupted():
    """Hold signals back: RosettaSciIO goes on after one while it writes metadata."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = []
    handlers = {
        number: signal.signal(number, lambda *_: held.append(True))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt


@contextmanager
def _replacing(path, overwrite):
    """Yield two temporary paths; when all went well the first becomes ``path``."""
    temporary = [
        path.with_name(f".{path.stem}-{os.getpid()}-{part}.hspy") for part in (1, 2)
    ]
    try:
        yield temporary
        # Windows writes the buffers only of files that are open for writing.
        with temporary[0].open("r+b") as file:
            os.fsync(file.fileno())
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} appeared meanwhile; it was not overwritten")
        os.replace(temporary[0], path)
    finally:
        for file in temporary:
            file.unlink(missing_ok=True)

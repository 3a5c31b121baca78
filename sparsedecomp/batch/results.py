"""Result files of batch decompositions: contents, writing, identity of the input.

A result file is an ordinary ``.hspy`` file with two signals,
``maps, spectra = hs.load("out.hspy")``: the component maps (components | y, x) and
the component spectra (components | energy), which keep the metadata of the cube.
The file does not contain the cube. ``spectra.learning_results`` is the complete
result: ``s.learning_results = spectra.learning_results`` gives it to the cube.

The HDF5 attribute ``sparsedecomp`` records, as JSON, which input was decomposed and
with which settings; ``metadata.Sparsedecomp`` of both signals says the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.batch.claims import temporary_path

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

ATTRIBUTE = "sparsedecomp"
# Size and number of the pieces of a file that a fingerprint reads. Fewer or smaller
# pieces are read faster and miss more changes within a large file.
_PIECE = 2**20
_PIECES = 64


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Identify the data in a file without reading all of a large one.

    The fingerprints of two files are equal when their sizes and a digest of their
    contents are. The digest is of the whole file up to 64 MiB; of a larger file it is
    of 64 evenly spaced pieces of 1 MiB, the first and last included. Copying a file
    or changing its date does not change the fingerprint. A folder (``.zspy``) is
    identified by the names and sizes of its files.

    Parameters
    ----------
    path : path-like
        File or folder.

    Returns
    -------
    str
        Text of the form ``"<size in bytes>-<digest>"``.

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
        starts = list(range(0, size, _PIECE))
    else:
        starts = np.linspace(0, size - _PIECE, _PIECES).astype(np.int64).tolist()
    with path.open("rb") as file:
        for start in starts:
            file.seek(start)
            digest.update(file.read(_PIECE))
    return f"{size}-{digest.hexdigest()}"


def read_record(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read from which input and with which settings a result file was made.

    Parameters
    ----------
    path : path-like
        An existing file.

    Returns
    -------
    dict or None
        Record, or None if the file is not a result of `write_results`.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs[ATTRIBUTE])
    except (OSError, KeyError, ValueError):
        return None


def summary_of(model: Any) -> dict[str, Any]:
    """Collect what a fitted estimator reports.

    Parameters
    ----------
    model : estimator
        Fitted estimator, such as `NMFSOARD`.

    Returns
    -------
    dict
        Plain numbers and lists: components kept, relevance, noise variance, relative
        residual, iterations, convergence, passes over the data, seconds; what the
        estimator does not have is left out.
    """
    names = (
        "n_components_", "relevance_", "noise_variance_", "relative_residual_",
        "n_iter_", "converged_", "passes_", "seconds_",
    )  # fmt: skip
    found = {name: getattr(model, name, None) for name in names}
    return {
        name.rstrip("_"): value.tolist() if hasattr(value, "tolist") else value
        for name, value in found.items()
        if value is not None
    }


def component_signals(
    decomposed: BaseSignal, record: dict[str, Any]
) -> tuple[BaseSignal, BaseSignal]:
    """Make the two signals of a result file from a decomposed one.

    Parameters
    ----------
    decomposed : hyperspy.signals.BaseSignal
        Signal after ``decomposition``; its cube is not copied.
    record : dict
        Contents of ``metadata.Sparsedecomp`` of both signals.

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

    maps = get_component_maps(decomposed, "stored")
    spectra = get_component_spectra(decomposed, "stored")
    share(decomposed, spectra)
    title = decomposed.metadata.General.get_item("title", "") or "untitled"
    # A lazily loaded file has lazy arrays in its metadata too.
    spectra.metadata.add_dictionary(_in_memory(spectra.metadata.as_dictionary()))
    for part, name in ((maps, "component maps"), (spectra, "component spectra")):
        part.metadata.General.title = f"{title}: {name}"
        part.metadata.add_dictionary({"Sparsedecomp": record})
    return maps, spectra


def _in_memory(tree: dict[str, Any]) -> dict[str, Any]:
    """The lazy arrays of a tree of metadata, computed."""
    return {
        key: _in_memory(value) if isinstance(value, dict) else value.compute()
        for key, value in tree.items()
        if isinstance(value, dict) or hasattr(value, "dask")
    }


def write_results(
    path: str | os.PathLike[str],
    decomposed: BaseSignal,
    record: dict[str, Any],
    overwrite: bool = False,
) -> None:
    """Write the result file of a decomposed signal, completely or not at all.

    Parameters
    ----------
    path : path-like
        File to write; its folder must exist.
    decomposed : hyperspy.signals.BaseSignal
        Signal after ``decomposition``.
    record : dict
        Input, settings and outcome, as JSON can hold them.
    overwrite : bool, default False
        Whether to replace an existing file.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    OSError
        If the file could not be written. An existing file does not change, and no
        incomplete file remains.
    """
    import h5py

    maps, spectra = component_signals(decomposed, record)
    with replacing(Path(path), overwrite) as (whole, other), _uninterrupted():
        # The maps are written three times: alone, in the learning results, merged.
        _reserve(whole, 4 * (maps.data.nbytes + spectra.data.nbytes))
        maps.save(whole, overwrite=True, show_progressbar=False)
        spectra.save(other, overwrite=True, show_progressbar=False)
        # HyperSpy writes one signal per file and reads any number of them.
        with h5py.File(whole, "r+") as file, h5py.File(other, "r") as more:
            for name in more["Experiments"]:
                more.copy(f"Experiments/{name}", file["Experiments"])
            file.attrs[ATTRIBUTE] = json.dumps(record)


def _reserve(path: Path, size: int) -> None:
    """Fail now if the disk is full: HDF5 cannot close a file that it cannot write."""
    with path.open("wb") as file:
        for _ in range(0, size, _PIECE):
            file.write(bytes(_PIECE))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C, which RosettaSciIO ignores while it writes metadata."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[bool] = []
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
def replacing(path: Path, overwrite: bool) -> Iterator[list[Path]]:
    """Write a file beside its place, and move it there if all went well.

    Parameters
    ----------
    path : pathlib.Path
        Place of the file.
    overwrite : bool
        Whether to replace a file that exists.

    Yields
    ------
    list of pathlib.Path
        Two temporary paths, the first for the file.
    """
    temporary = [temporary_path(path, part) for part in (1, 2)]
    try:
        yield temporary
        # Windows writes the buffers only of files that are open for writing.
        with temporary[0].open("r+b") as whole:
            os.fsync(whole.fileno())
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} appeared meanwhile; it was not overwritten")
        os.replace(temporary[0], path)
    finally:
        for part in temporary:
            part.unlink(missing_ok=True)

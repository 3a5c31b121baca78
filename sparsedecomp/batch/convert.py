"""Conversion of files of counts into .scube files, and of these into others."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.batch.outputs import plan_outputs
from sparsedecomp.batch.results import fingerprint, replacing
from sparsedecomp.progress import counting_bar

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from rsciio_sparse._counts import Counts
    from rsciio_sparse._vendors.source import Source
    from rsciio_sparse.scube._layout import Layout

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conversion:
    """What became of one file.

    Parameters
    ----------
    source : pathlib.Path
        File that was converted.
    targets : tuple of pathlib.Path
        Files that were written; one for each signal of counts in the source.
    state : {"done", "skipped", "failed"}
        Whether it was converted now, or before, or could not be.
    n_counts : int
        Number of counts in all targets; 0 if they were not read.
    seconds : float
        Wall time.
    error : Exception or None
        Why it failed.
    """

    source: Path
    targets: tuple[Path, ...]
    state: str
    n_counts: int = 0
    seconds: float = 0.0
    error: Exception | None = None

    @property
    def line(self) -> str:
        """What was done, in one line."""
        names = ", ".join(map(str, self.targets))
        if self.state == "skipped":
            return f"done before, {names}"
        size = sum(target.stat().st_size for target in self.targets)
        counted = f"{self.n_counts} counts, " if self.n_counts else ""
        return f"{counted}{size / 1e6:.2f} MB, {self.seconds:.1f} s, {names}"


def convert_files(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    frames: bool = False,
    rebin_energy: int = 1,
    drop_frames: Sequence[int] = (),
    detectors: bool = False,
    tile_shape: Sequence[int] | None = None,
    force: bool = False,
    show_progressbar: bool | None = None,
    report: Callable[[Conversion], object] | None = None,
) -> list[Conversion]:
    """Convert files of counts without ever holding a dense cube.

    The events of JEOL .pts, Velox .emd and Bruker .bcf files are read from their
    streams; any other file is read by HyperSpy, lazily. A conversion that was
    interrupted goes on where it stopped, as long as source and settings are the same.
    A .scube file is converted into .hspy if the name of the output ends so.

    Parameters
    ----------
    files : sequence of path-like
        Input files.
    output : path-like
        A file for one input; a folder (existing, or ending in ``/``) or a name with
        ``{stem}`` in it for any number. The suffix decides the format, .scube by
        default. A file of several signals gets numbered outputs.
    frames : bool, default False
        Whether frames (JEOL, Velox) are kept as the first axis, or added up.
    rebin_energy : int, default 1
        Number of channels that are put together; a divisor of their number. The energy
        axis is that of RosettaSciIO's option of this name (JEOL, Velox), else that of
        HyperSpy's `rebin`.
    drop_frames : sequence of int
        Frames to leave out, from 0; negative numbers count from the end.
    detectors : bool, default False
        Whether each detector (Velox) becomes a file of its own, or all are added up.
    tile_shape : sequence of int, optional
        Pixels of a tile along each navigation axis. Default: as many whole lines as
        take 128 MiB when they are dense.
    force : bool, default False
        Whether to replace outputs that exist; otherwise their inputs are skipped.
    show_progressbar : bool, optional
        Show a progress bar over the tiles. Default: HyperSpy's preference.
    report : callable, optional
        Function that is called with the `Conversion` of each file.

    Returns
    -------
    list of Conversion
        What became of each file.

    Raises
    ------
    ValueError
        If the names of the outputs are impossible. What is wrong with one file is in
        its `Conversion` and does not stop the others.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hyperspy.api as hs
    >>> import numpy as np
    >>> from sparsedecomp.batch import convert_files
    >>> counts = np.random.default_rng(0).poisson(0.01, (6, 5, 80)).astype("uint8")
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> hs.signals.Signal1D(counts).save(folder / "map.hspy")
    >>> (done,) = convert_files(
    ...     [folder / "map.hspy"], folder / "map.scube", show_progressbar=False
    ... )
    >>> bool(done.n_counts == counts.sum())
    True
    """
    suffixes = (".scube", ".hspy")
    targets = plan_outputs(files, output, suffixes)
    options = {
        "frames": frames, "rebin_energy": rebin_energy, "detectors": detectors,
        "drop_frames": [int(frame) for frame in drop_frames],
        "tile_shape": None if tile_shape is None else [int(n) for n in tile_shape],
    }  # fmt: skip
    done = []
    for file, target in zip(map(Path, files), targets, strict=True):
        began = time.monotonic()
        try:
            outcome = _convert_file(file, target, options, force, show_progressbar)
        except (OSError, ValueError, MemoryError) as error:
            outcome = Conversion(file, (target,), "failed", error=error)
        outcome = replace(outcome, seconds=time.monotonic() - began)
        done.append(outcome)
        if report is not None:
            report(outcome)
    return done


def _convert_file(
    file: Path, target: Path, options: dict[str, Any], force: bool, show: bool | None
) -> Conversion:
    first = _numbered(target, 0, 2)
    for existing in (target, first):
        if existing.exists() and not force:
            return Conversion(file, (existing,), "skipped")
    if target.suffix != ".scube":
        return _to_other_format(file, target, options, force, show)
    sources = _sources(file, options)
    names = [_numbered(target, i, len(sources)) for i in range(len(sources))]
    total = 0
    for number, (source, name) in enumerate(zip(sources, names, strict=True)):
        name.parent.mkdir(parents=True, exist_ok=True)
        note = {"source": fingerprint(file), "signal": number, **options}
        total += _write(source, name, options["tile_shape"], json.dumps(note), show)
    return Conversion(file, tuple(names), "done", total)


def _numbered(target: Path, number: int, n: int) -> Path:
    return target if n == 1 else target.with_stem(f"{target.stem}_{number + 1}")


def _sources(file: Path, options: dict[str, Any]) -> list[Source]:
    """Signals of counts in a file, from its stream of events where there is one."""
    from rsciio_sparse._vendors import bruker, jeol, velox

    chosen = {key: options[key] for key in ("frames", "rebin_energy", "drop_frames")}
    suffix = file.suffix.lower()
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
    if suffix == ".emd" and velox.is_velox(file):
        return velox.sources(file, detectors=options["detectors"], **chosen)
    if options["detectors"]:
        raise ValueError(f"{file}: single detectors are in Velox .emd files only.")
    if suffix == ".pts":
        return jeol.sources(file, **chosen)
    if suffix == ".bcf":
        return bruker.sources(file, **chosen)
    if options["frames"] or options["drop_frames"]:
        raise ValueError(f"{file}: frames are in .pts and Velox .emd files only.")
    return [_source_of(signal, options["rebin_energy"]) for signal in _cubes(file)]


def _cubes(file: Path) -> list[BaseSignal]:
    """Signals with navigation axes of a file that HyperSpy reads."""
    import hyperspy.api as hs

    loaded = hs.load(file, lazy=True)
    signals = loaded if isinstance(loaded, list) else [loaded]
    cubes = [s for s in signals if s.axes_manager.navigation_dimension]
    if not cubes:
        raise ValueError(f"{file} holds no spectra with navigation axes.")
    return cubes


def _source_of(signal: BaseSignal, rebin: int) -> Source:
    """Counts of a lazy signal, computed tile by tile."""
    from rsciio_sparse._vendors.source import Source, check_rebin

    data = signal._data_aligned_with_axes
    if signal.axes_manager.signal_dimension != 1:
        raise ValueError(f"{signal} has no single signal axis.")
    check_rebin(data.shape[-1], rebin)
    if data.dtype.kind == "b":
        data = data.astype(np.uint8)
    described = signal._to_dictionary(add_learning_results=False)
    order = [axis.index_in_array for axis in signal.axes_manager.navigation_axes[::-1]]
    order += [axis.index_in_array for axis in signal.axes_manager.signal_axes[::-1]]
    axes = [described["axes"][i] for i in order]
    if rebin > 1:
        energy = signal.axes_manager.signal_axes[0]
        if not energy.is_uniform:
            raise ValueError("rebin_energy needs a uniform energy axis.")
        scale = energy.scale
        axes[-1] |= {
            "size": energy.size // rebin, "scale": scale * rebin,
            # The centre of the first bin, as HyperSpy's own rebin has it.
            "offset": energy.offset + scale * (rebin - 1) / 2,
        }  # fmt: skip
    shape = (*data.shape[:-1], data.shape[-1] // rebin)
    described = {**described, "axes": axes}
    del described["data"]
    return Source(described, shape, data.dtype, partial(_read_lazy, data, rebin))


def _read_lazy(
    data: Any, rebin: int, layout: Layout, numbers: Sequence[int]
) -> Iterator[tuple[int, Counts]]:
    from rsciio_sparse._counts import counts_of_dense

    for number in numbers:
        rows = np.asarray(data[layout.window(number)]).reshape(-1, data.shape[-1])
        if rebin > 1:
            rows = rows.reshape(len(rows), -1, rebin).sum(axis=2)
        yield number, counts_of_dense(rows)


def _write(
    source: Source, target: Path, tile_shape: Any, note: str, show: bool | None
) -> int:
    """Write a .scube file; returns the number of counts."""
    from rsciio_sparse.scube._write import Writer

    layout = source.layout(tile_shape)
    signal = _as_hyperspy_stores(source)
    total = 0
    with Writer(target, signal, layout, source.frames, fingerprint=note) as writer:
        missing = writer.missing
        first = layout.n_tiles - len(missing)
        if first:
            _logger.info("%s: %d tiles were written before.", target, first)
        with counting_bar(show, target.name, "tile", layout.n_tiles) as watch:
            for i, (number, counts) in enumerate(source.read(layout, missing)):
                writer.append(number, counts)
                watch(first + i + 1, layout.n_tiles)
        total = writer.total
    return total


def _as_hyperspy_stores(source: Source) -> dict[str, Any]:
    """The signal as HyperSpy hands it to writers, without data."""
    import dask.array as da
    from hyperspy.io import dict2signal
    from hyperspy.misc import utils

    nothing = da.zeros(source.shape, source.dtype, chunks=source.shape)
    signal = dict2signal({**source.signal, "data": nothing}, lazy=True)
    described = signal._to_dictionary(add_models=True)
    described["package_info"] = utils.get_object_package_info(signal)
    del described["data"]
    return described


def _to_other_format(
    file: Path, target: Path, options: dict[str, Any], force: bool, show: bool | None
) -> Conversion:
    """Let HyperSpy write a dense file, block by block, which then takes its place."""
    if file.suffix.lower() != ".scube":
        raise ValueError(
            f"{target} is no .scube file, so the input must be one, not {file.name}."
        )
    changed = [
        key for key, value in options.items() if value not in (False, 1, [], None)
    ]
    if changed:
        raise ValueError(f"{', '.join(changed)}: only for conversions into .scube.")
    (signal,) = _cubes(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, overwrite=force) as (temporary, _):
        signal.save(temporary, overwrite=True, show_progressbar=bool(show))
    return Conversion(file, (target,), "done")

"""Decompose many files, or one large file, unattended.

Every input gets a result file (see :mod:`sparsedecomp.batch.results`). A file is
skipped if its result exists and was made from the same data with the same settings. A
result of other data or settings is an error unless ``force`` is given. A file that
fails does not stop the others. Several runs may share a folder: each takes the files
that no other is working on.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sparsedecomp.batch.claims import claimed, remove_abandoned
from sparsedecomp.batch.inputs import load_cube, masks_for, parse_ranges
from sparsedecomp.batch.outputs import plan_outputs
from sparsedecomp.batch.results import (
    fingerprint,
    read_record,
    summary_of,
    write_results,
)
from sparsedecomp.suggestions import did_you_mean

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Settings of a decomposition that are the same for every file.

    Parameters
    ----------
    algorithm : str, default "nmf_so_ard"
        Name of the algorithm, as in ``s.decomposition``.
    max_components : int, optional
        Number of components, passed as ``output_dimension``; for ``nmf_so_ard`` an
        upper bound.
    poisson : bool, default False
        Whether to scale for Poisson noise (``normalize_poissonian_noise``).
    mask : path-like, optional
        Image of the pixels to leave out (True = excluded): ``.npy`` in array order,
        or any file that HyperSpy reads.
    signal_mask : str, optional
        Channels to leave out: ``"lo:hi,lo:hi"`` in the units of the signal axis, or
        a file as for ``mask``.
    parameters : dict, optional
        Further keyword arguments of the algorithm.

    Examples
    --------
    >>> from sparsedecomp.batch import Settings
    >>> Settings(max_components=8, parameters={"random_state": 0}).record()["algorithm"]
    'nmf_so_ard'
    """

    algorithm: str = "nmf_so_ard"
    max_components: int | None = None
    poisson: bool = False
    mask: str | None = None
    signal_mask: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Settings as JSON can hold them, masks by their content.

        Returns
        -------
        dict
            Equal for two settings exactly when they ask for the same result.
        """
        ranges = self.signal_mask and parse_ranges(self.signal_mask)
        record = asdict(self) | {
            "mask": self.mask and _fingerprint_of_mask(self.mask),
            "signal_mask": ranges
            or (self.signal_mask and _fingerprint_of_mask(self.signal_mask)),
        }
        # As it will be read back: JSON has no tuples.
        return json.loads(json.dumps(record))

    def check(self) -> None:
        """Refuse settings with which no file can be decomposed.

        Raises
        ------
        ValueError
            If the algorithm is unknown, or the number of components or another value
            is not possible.
        TypeError
            If a parameter is unknown or of the wrong type.
        FileNotFoundError
            If a mask file does not exist.
        """
        from sparsedecomp.extension.algorithms import ALGORITHMS, find
        from sparsedecomp.extension.arguments import (
            check_output_dimension,
            estimator_parameters,
        )

        algorithm = find(self.algorithm)
        if algorithm is None:
            raise ValueError(
                f"unknown algorithm {self.algorithm!r}: choose one of "
                f"{', '.join(ALGORITHMS)}.{did_you_mean(self.algorithm, ALGORITHMS)}"
            )
        check_output_dimension(algorithm, self.max_components)
        parameters = estimator_parameters(algorithm, self.parameters)
        # Otherwise the fit would refuse a value of the wrong type, once for every file.
        algorithm.load()(**parameters)._validate_params()
        self.record()


def _fingerprint_of_mask(path: str) -> str:
    if not Path(path).exists():
        raise FileNotFoundError(f"the mask {path} does not exist")
    return fingerprint(path)


@dataclass
class FileOutcome:
    """Outcome for one input file.

    Parameters
    ----------
    source, target : pathlib.Path
        Input and result file.
    state : {"done", "skipped", "busy", "failed"}
        Whether the file was decomposed; "skipped" if an equal result exists already,
        "busy" if another run was still working on it when this one ended.
    seconds : float
        Wall time spent on the file.
    summary : dict
        Numbers that the decomposition reports, such as components, iterations and
        residual; empty unless done.
    error : Exception, optional
        Error that made the file fail.
    """

    source: Path
    target: Path
    state: str
    seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None


def decompose_files(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    lazy: bool = False,
    chunks: tuple[int, ...] | None = None,
    scheduler: str | None = None,
    force: bool = False,
    show_progressbar: bool = True,
    report: Callable[[FileOutcome], object] | None = None,
) -> list[FileOutcome]:
    """Decompose files one after the other, each into its own result file.

    Parameters
    ----------
    files : sequence of path-like
        Files that ``hs.load`` reads and that hold one cube each.
    output : str or path-like
        Result file, folder or pattern of names, see :func:`plan_outputs`. Missing
        folders are made.
    settings : Settings, optional
        Algorithm, masks and parameters; default ``Settings()``: ``nmf_so_ard``.
    lazy : bool, default False
        Whether to leave the cube in its file and read it block by block.
    chunks : tuple of int, optional
        Pixels per block along each navigation axis, in array order; needs ``lazy``.
        Default: the blocks of the file.
    scheduler : str, optional
        ``"threads"``, ``"synchronous"``, or the address of a dask cluster, such as
        ``"tcp://10.0.0.1:8786"``. Default: dask's own choice.
    force : bool, default False
        Whether to decompose again and replace results that exist.
    show_progressbar : bool, default True
        Whether to show the progress of each decomposition.
    report : callable, optional
        Function that is called with the :class:`FileOutcome` of each file.

    Returns
    -------
    list of FileOutcome
        Outcome for each file, in order, with the error of a file that failed.

    Raises
    ------
    ValueError
        If the outputs cannot be planned, ``chunks`` is given without ``lazy``, or
        the scheduler is unknown.
    ValueError, TypeError, FileNotFoundError
        If the settings are refused by :meth:`Settings.check`.
    ConnectionError
        If no scheduler answers at the address.
    KeyboardInterrupt
        If the user interrupts: finished results stay, and there is no file of the
        unfinished one.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np, tempfile, pathlib
    >>> from sparsedecomp.batch import decompose_files
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rng = np.random.default_rng(0)
    >>> cube = rng.random((6, 5, 2)) @ rng.random((2, 40))
    >>> hs.signals.Signal1D(cube).save(folder / "cube.hspy")
    >>> outcomes = decompose_files(
    ...     [folder / "cube.hspy"], folder / "out.hspy", show_progressbar=False
    ... )
    >>> outcomes[0].state
    'done'
    >>> maps, spectra = hs.load(folder / "out.hspy")
    >>> maps.axes_manager.signal_shape
    (5, 6)
    """
    settings = settings or Settings()
    if chunks is not None and not lazy:
        raise ValueError("chunks are the blocks of a lazy signal: give lazy as well")
    settings.check()
    targets = plan_outputs(files, output)
    wanted = settings.record()
    remove_abandoned(targets)
    jobs = list(zip(map(Path, files), targets, strict=True))
    outcomes: dict[int, FileOutcome] = {}
    with _scheduler(scheduler):
        # What another run is working on is looked at again after all else is done.
        for last_try in (False, True):
            for i in sorted(set(range(len(jobs))) - set(outcomes)):
                outcome = _outcome(
                    *jobs[i], settings, wanted, lazy, chunks, force, show_progressbar
                )
                if outcome.state == "busy" and not last_try:
                    continue
                outcomes[i] = outcome
                if report is not None:
                    report(outcome)
    return [outcomes[i] for i in range(len(jobs))]


def _outcome(source, target, settings, wanted, lazy, chunks, force, bar):
    """Decompose one file unless that is done or another run is doing it."""
    start = time.perf_counter()
    outcome = FileOutcome(source, target, "skipped")
    try:
        if not source.exists():
            raise FileNotFoundError(f"{source} does not exist")
        if not force and _is_done(source, target, wanted):
            return outcome
        with claimed(target) as mine:
            if not mine:
                outcome.state = "busy"
            # The other run may have ended since the first look.
            elif force or not _is_done(source, target, wanted):
                outcome.summary = _decompose_file(
                    source, target, settings, wanted, lazy, chunks, force, bar
                )
                outcome.state = "done"
    except Exception as error:
        if not _is_equal_result(error, source, target, wanted):
            _logger.debug("%s failed", source, exc_info=True)
            outcome = FileOutcome(source, target, "failed", error=error)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _is_equal_result(error, source, target, wanted):
    """Whether writing failed because another run has just written the same."""
    if not isinstance(error, FileExistsError):
        return False
    try:
        return _is_done(source, target, wanted)
    except FileExistsError:
        return False


def _is_done(source: Path, target: Path, wanted: dict[str, Any]) -> bool:
    """Whether the wanted result exists; a different one is an error."""
    if not target.exists():
        return False
    record = read_record(target)
    if record is None:
        raise FileExistsError(
            f"{target} exists and is not a result of `sparsedecomp decompose`; "
            "choose another output, or --force to replace it"
        )
    differing = [k for k in wanted if record["settings"].get(k) != wanted[k]]
    if record["fingerprint"] != fingerprint(source):
        differing.insert(0, "input data")
    if differing:
        raise FileExistsError(
            f"{target} exists and was made with other {', '.join(differing)}; "
            "choose another output, or --force to replace it"
        )
    return True


def _decompose_file(source, target, settings, wanted, lazy, chunks, force, bar):
    """Load, decompose and write one file; return the summary of the fit."""
    from sparsedecomp import __version__, decompose

    record = {
        "version": __version__,
        "input": source.name,
        "fingerprint": fingerprint(source),
        "settings": wanted,
    }
    signal = load_cube(source, lazy=lazy, chunks=chunks)
    try:
        model = decompose(
            signal,
            settings.algorithm,
            output_dimension=settings.max_components,
            normalize_poissonian_noise=settings.poisson,
            **masks_for(signal, settings.mask, settings.signal_mask),
            print_info=False,
            return_info=True,
            show_progressbar=bar,
            **settings.parameters,
        )
        if getattr(model, "interrupted_", False):
            # An unfinished result must not be taken for a finished one.
            raise KeyboardInterrupt
        record["summary"] = summary_of(model)
        write_results(target, signal, record, overwrite=force)
    finally:
        if lazy and source.suffix == ".hspy":
            # Other formats close their files, this one only when asked to.
            signal.close_file()
    return record["summary"]


@contextmanager
def _scheduler(name: str | None) -> Iterator[None]:
    """Choose dask's scheduler within a context."""
    if name is None:
        yield
    elif "://" in name:
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError(
                f"the scheduler {name} needs dask.distributed: "
                "pip install sparsedecomp[distributed]"
            ) from error
        try:
            client = Client(name)
        except (OSError, ValueError) as error:
            raise ConnectionError(f"no dask scheduler answers at {name}") from error
        with client:
            yield
    elif name in ("threads", "synchronous"):
        import dask

        with dask.config.set(scheduler=name):
            yield
    else:
        raise ValueError(
            f"unknown scheduler {name!r}: give threads, synchronous, or an address "
            "such as tcp://10.0.0.1:8786"
        )

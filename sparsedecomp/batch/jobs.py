"""Decompose many files, or one large file, unattended.

Every input gets a result file (see :mod:`sparsedecomp.batch.results`). A file is
skipped if its result exists and was made from the same data with the same settings. A
result of other data or settings is an error unless ``force`` is given. A file that
fails does not stop the others.
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

from sparsedecomp.batch.inputs import load_cube, masks_for, parse_ranges
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
            If a parameter is unknown.
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
        estimator_parameters(algorithm, self.parameters)
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
    state : {"done", "skipped", "failed"}
        Whether the file was decomposed; "skipped" if an equal result exists already.
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


def plan_outputs(
    files: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]
) -> list[Path]:
    """Choose the result file of each input.

    Parameters
    ----------
    files : sequence of path-like
        Input files.
    output : str or path-like
        A file for one input; a folder (existing, or ending in ``/``) or a name with
        ``{stem}`` in it for any number.

    Returns
    -------
    list of pathlib.Path
        Result file of each input, ending in ``.hspy``.

    Raises
    ------
    ValueError
        If two inputs would share a result, a result would replace an input, or the
        name is neither of the above.

    Examples
    --------
    >>> from sparsedecomp.batch import plan_outputs
    >>> [p.as_posix() for p in plan_outputs(["a.dm4", "b.dm4"], "out/{stem}_ard.hspy")]
    ['out/a_ard.hspy', 'out/b_ard.hspy']
    """
    sources, text = [Path(file) for file in files], str(output)
    if "{stem}" in text:
        targets = [Path(text.replace("{stem}", source.stem)) for source in sources]
    elif text.endswith("/") or Path(text).is_dir():
        targets = [Path(text) / f"{source.stem}.hspy" for source in sources]
    elif len(sources) == 1:
        targets = [Path(text)]
    else:
        raise ValueError(
            f"{len(sources)} files cannot share the output {text}: give a folder "
            "(ending in /) or a name with {stem} in it"
        )
    for i, target in enumerate(targets):
        if target.suffix != ".hspy":
            raise ValueError(f"a result file ends in .hspy, not {target.name}")
        if target in targets[:i]:
            clash = sources[targets.index(target)]
            raise ValueError(
                f"{clash} and {sources[i]} would both be written to {target}: "
                "put them into different folders"
            )
        if target.resolve() in [source.resolve() for source in sources]:
            raise ValueError(f"the output {target} is one of the inputs")
    return targets


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
    outcomes = []
    with _scheduler(scheduler):
        for source, target in zip(map(Path, files), targets, strict=True):
            start = time.perf_counter()
            try:
                outcome = FileOutcome(source, target, "skipped")
                if force or not _is_done(source, target, wanted):
                    outcome.summary = _decompose_file(
                        source, target, settings, wanted, lazy, chunks,
                        force, show_progressbar,
                    )  # fmt: skip
                    outcome.state = "done"
            except Exception as error:
                _logger.debug("%s failed", source, exc_info=True)
                outcome = FileOutcome(source, target, "failed", error=error)
            outcome.seconds = time.perf_counter() - start
            outcomes.append(outcome)
            if report is not None:
                report(outcome)
    return outcomes


def _is_done(source: Path, target: Path, wanted: dict[str, Any]) -> bool:
    """Whether the wanted result exists; a different one is an error."""
    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
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

    if not source.exists():
        raise FileNotFoundError(f"{source} does not exist")
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
        target.parent.mkdir(parents=True, exist_ok=True)
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

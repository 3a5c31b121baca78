"""Decompose many files, or one large one, unattended: plan, skip what is done, go on.

Every input gets a result file (see :mod:`sparsedecomp.batch.results`). A result that is
there already and was made from the same data with the same settings is not made
again; one made from anything else is refused unless ``force`` is given. A file that
fails does not stop the others.
"""

import json
import logging
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sparsedecomp.batch.inputs import load_cube, masks_for, parse_ranges
from sparsedecomp.batch.results import fingerprint, read_record, write_results

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What is done to every file, and what makes two results comparable.

    Parameters
    ----------
    algorithm : str, default="nmf_so_ard"
        Name of the algorithm, as in ``s.decomposition``.
    max_components : int, optional
        Passed as ``output_dimension``: for ``nmf_so_ard`` an upper bound.
    poisson : bool, default=False
        Scale for Poisson noise (``normalize_poissonian_noise``).
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
    parameters: dict = field(default_factory=dict)

    def record(self):
        """Say the settings in what JSON can hold; masks by their content.

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
        # As it will be read back: JSON knows no tuples.
        return json.loads(json.dumps(record))

    def check(self):
        """Refuse settings that no file could be decomposed with.

        Raises
        ------
        ValueError
            For an unknown algorithm, a number of components that is none, or a value
            that has no meaning.
        TypeError
            For an unknown parameter.
        FileNotFoundError
            If a mask file is not there.
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
                f"{', '.join(ALGORITHMS)}"
            )
        check_output_dimension(algorithm, self.max_components)
        estimator_parameters(algorithm, self.parameters)
        self.record()


def _fingerprint_of_mask(path):
    if not Path(path).exists():
        raise FileNotFoundError(f"the mask {path} does not exist")
    return fingerprint(path)


@dataclass
class Outcome:
    """What became of one input file.

    Parameters
    ----------
    source, target : pathlib.Path
        The input and its result file.
    state : {"done", "skipped", "failed"}
        Skipped: an equal result was there already.
    seconds : float
        Wall time spent on the file.
    summary : dict
        What the decomposition reports of itself; empty unless done.
    error : Exception, optional
        Why the file failed.
    """

    source: Path
    target: Path
    state: str
    seconds: float = 0.0
    summary: dict = field(default_factory=dict)
    error: Exception | None = None


def plan_outputs(files, output):
    """Say which result file each input gets.

    Parameters
    ----------
    files : sequence of path-like
        The inputs.
    output : str or path-like
        A file for one input; a folder (existing, or ending in ``/``) or a name with
        ``{stem}`` in it for any number.

    Returns
    -------
    list of pathlib.Path
        One path per input, ending in ``.hspy``.

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
    files, text = [Path(file) for file in files], str(output)
    if "{stem}" in text:
        targets = [Path(text.replace("{stem}", file.stem)) for file in files]
    elif text.endswith("/") or Path(text).is_dir():
        targets = [Path(text) / f"{file.stem}.hspy" for file in files]
    elif len(files) == 1:
        targets = [Path(text)]
    else:
        raise ValueError(
            f"{len(files)} files cannot share the output {text}: give a folder "
            "(ending in /) or a name with {stem} in it"
        )
    for i, target in enumerate(targets):
        if target.suffix != ".hspy":
            raise ValueError(f"a result file ends in .hspy, not {target.name}")
        if target in targets[:i]:
            clash = files[targets.index(target)]
            raise ValueError(
                f"{clash} and {files[i]} would both be written to {target}: "
                "put them into different folders"
            )
        if target.resolve() in [file.resolve() for file in files]:
            raise ValueError(f"the output {target} is one of the inputs")
    return targets


def decompose_files(
    files,
    output,
    settings=None,
    *,
    lazy=False,
    chunks=None,
    scheduler=None,
    force=False,
    show_progressbar=True,
    report=None,
):
    """Decompose files one after the other, each into its own result file.

    Parameters
    ----------
    files : sequence of path-like
        Anything that ``hs.load`` reads and that holds one cube.
    output : str or path-like
        See :func:`plan_outputs`. Missing folders are made.
    settings : Settings, optional
        What to do; default ``Settings()``: ``nmf_so_ard``.
    lazy : bool, default=False
        Leave the cube in its file and read it block by block.
    chunks : tuple of int, optional
        Pixels per block along each navigation axis, in array order; needs ``lazy``.
        Default: the blocks of the file.
    scheduler : str, optional
        ``"threads"``, ``"synchronous"``, or the address of a dask cluster, such as
        ``"tcp://10.0.0.1:8786"``. Default: dask's own choice.
    force : bool, default=False
        Make every result anew and replace what is there.
    show_progressbar : bool, default=True
        Show the progress of each decomposition.
    report : callable, optional
        Called with each :class:`Outcome` as soon as it is known.

    Returns
    -------
    list of Outcome
        One per file, in order. An error in a file is in its ``error``.

    Raises
    ------
    ValueError
        If the outputs cannot be planned, ``chunks`` is given without ``lazy``, or
        the scheduler is unknown.
    ValueError, TypeError, FileNotFoundError
        If the settings make no sense, see :meth:`Settings.check`.
    ConnectionError
        If no scheduler answers at the address.
    KeyboardInterrupt
        When interrupted: finished results stay, the file in work leaves nothing.

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
                outcome = Outcome(source, target, "skipped")
                if force or not _is_done(source, target, wanted):
                    outcome.summary = _decompose_file(
                        source, target, settings, wanted, lazy, chunks,
                        force, show_progressbar,
                    )  # fmt: skip
                    outcome.state = "done"
            except Exception as error:
                _logger.debug("%s failed", source, exc_info=True)
                outcome = Outcome(source, target, "failed", error=error)
            outcome.seconds = time.perf_counter() - start
            outcomes.append(outcome)
            if report is not None:
                report(outcome)
    return outcomes


def _is_done(source, target, wanted):
    """Whether the wanted result is there; a different one is an error."""
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
    """Load, decompose and write one file; return what the fit says of itself."""
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
            # A result that the user stopped must not pass for a finished one.
            raise KeyboardInterrupt
        record["summary"] = summary_of(model)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_results(target, signal, record, overwrite=force)
    finally:
        if lazy and source.suffix == ".hspy":
            # The one format whose files stay open as long as the process.
            signal.close_file()
    return record["summary"]


def summary_of(model):
    """Collect what a fitted estimator reports of itself.

    Parameters
    ----------
    model : NMFSO or NMFSOARD
        After ``fit``.

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


@contextmanager
def _scheduler(name):
    """Run dask's work where the user asked for."""
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

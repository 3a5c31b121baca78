"""The ``sparsedecomp`` command: ``demo``, ``convert``, ``decompose``, ``fuse``, ...

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsedecomp import __version__

if TYPE_CHECKING:
    from sparsedecomp.batch import Conversion, FileOutcome
    from sparsedecomp.demo import DemoResult

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(Exception):
    """Error in the command itself, whatever the data are."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted.

    Examples
    --------
    >>> from sparsedecomp.cli import main
    >>> main(["decompose", "no_such_file.hspy", "--output", "out.hspy"])
    1
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        # argparse has printed the help or the error.
        return int(stop.code or 0)
    # Batch systems end a job with SIGTERM: clean up as for Ctrl-C.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*deprecated.*")
            warnings.showwarning = _say_warning
            return arguments.run(arguments)
    except KeyboardInterrupt:
        _say("interrupted: no incomplete file remains")
        return INTERRUPTED
    except Exception as error:
        if arguments.debug:
            raise
        _say(f"error: {one_line(error)}")
        return USAGE if isinstance(error, UsageError) else FAILED
    finally:
        signal.signal(signal.SIGTERM, previous)


def one_line(error: BaseException) -> str:
    """Message of an error in one line, with advice for common errors.

    Parameters
    ----------
    error : Exception
        The error.

    Returns
    -------
    str
        Message, or the name of an error without message.

    Examples
    --------
    >>> import errno
    >>> from sparsedecomp.cli import one_line
    >>> one_line(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full: nothing was written; free some space and run again'
    >>> one_line(ValueError())
    'ValueError'
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: nothing was written; free some space and run again"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return (
            "the file is larger than this system allows: nothing was written; raise "
            "the limit on the size of files (ulimit -f) or choose another disk, and "
            "run again"
        )
    if isinstance(error, MemoryError):
        return "not enough memory: try --lazy, and smaller --chunks"
    return " ".join(str(error).split()) or type(error).__name__


def _say(text: str) -> None:
    """Print a message to stderr; results go to stdout."""
    print(text, file=sys.stderr, flush=True)


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")


def _demo(arguments: argparse.Namespace) -> int:
    from sparsedecomp import datasets
    from sparsedecomp.demo import draw, examine

    folder = Path(arguments.output).absolute().parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} for {arguments.output}")
    if arguments.dataset is not None:
        try:
            datasets.describe(arguments.dataset)
        except ValueError as error:
            raise UsageError(error) from error
        cubes = [datasets.load(arguments.dataset)]
    else:
        options = {"shape": (arguments.size,) * 2, "seed": arguments.seed}
        cubes = [
            datasets.eels_oxide_interface(**options),
            datasets.edx_particles(**options),
        ]
    results = []
    for cube in cubes:
        print(f"{cube.metadata.General.title}\n  {_dimensions(cube)}", flush=True)
        results.append(examine(cube, random_state=arguments.seed))
        print(_table_of(results[-1]), flush=True)
    draw(results, arguments.output)
    print(f"maps and spectra drawn in {arguments.output}")
    return OK


def _dimensions(cube: Any) -> str:
    axes = cube.axes_manager
    pixels = " x ".join(map(str, axes.navigation_shape))
    return f"{pixels} pixels, {axes.signal_size} channels, {cube.data.dtype}"


def _table_of(result: DemoResult) -> str:
    components, noise = f"{result.n_components}", f"{result.noise:.4g}"
    if result.truth is not None:
        components += f", true: {len(result.truth.names)}"
    if result.expected_noise is not None:
        noise += f", expected for counts: {result.expected_noise:.4g}"
    lines = {
        "components": components,
        "noise": noise,
        "residual": f"{100 * result.residual:.2f} % of the data's norm",
        **{
            name: f"spectrum {angle:.2f}° from the truth"
            for name, angle in result.angles.items()
        },
        "time": f"{result.seconds:.1f} s",
    }
    return "\n".join(f"  {name:<14}{value}" for name, value in lines.items())


def _datasets(arguments: argparse.Namespace) -> int:
    from sparsedecomp.datasets import data_dir
    from sparsedecomp.datasets.registry import DATASETS

    folder = data_dir()
    for name, entry in sorted(DATASETS.items()):
        if folder is not None and (folder / entry.file).is_file():
            place = "here"
        else:
            place = "can be fetched" if entry.url else "not here"
        print(f"{name:<22}{place:<16}{entry.title}\n{'':<38}licence: {entry.licence}")
    print(
        "The environment variable SPARSEDECOMP_DATA_DIR names the folder of the files."
    )
    return OK


def _cache(arguments: argparse.Namespace) -> int:
    from sparsedecomp.cache import VARIABLE, cache_root, cached_files

    root, files = cache_root(), cached_files()
    total = 0
    for file in files:
        size = file.stat().st_size
        total += size
        if arguments.clear:
            file.unlink(missing_ok=True)
        else:
            print(f"{size / 2**20:10.2f} MiB  {file.relative_to(root)}")
    done = "deleted" if arguments.clear else "files"
    print(f"{root}: {len(files)} {done}, {total / 2**20:.2f} MiB")
    print(f"The environment variable {VARIABLE} names another folder.")
    return OK


def _decompose(arguments: argparse.Namespace) -> int:
    from sparsedecomp.batch import Settings, decompose_files

    settings = Settings(
        algorithm=arguments.algorithm,
        max_components=arguments.max_components,
        poisson=arguments.poisson,
        mask=arguments.mask,
        signal_mask=arguments.signal_mask,
        parameters=dict(arguments.set),
    )
    numbers = itertools.count(1)

    def report(outcome: FileOutcome) -> None:
        count = f"[{next(numbers)}/{len(arguments.files)}] {outcome.source}:"
        if outcome.state == "failed":
            _say(f"{count} failed: {one_line(outcome.error)}")
            return
        texts = {
            "skipped": f"done before, {outcome.target}",
            "busy": f"another run is working on it, skipped, {outcome.target}",
        }
        print(f"{count} {texts.get(outcome.state) or _line_of(outcome)}", flush=True)

    try:
        outcomes = decompose_files(
            arguments.files,
            arguments.output,
            settings,
            lazy=arguments.lazy,
            chunks=arguments.chunks,
            scheduler=arguments.scheduler,
            force=arguments.force,
            show_progressbar=not arguments.quiet,
            report=report,
        )
    except (ValueError, TypeError) as error:
        raise UsageError(error) from error
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if failed and arguments.debug:
        raise failed[0].error
    return FAILED if failed else OK


def _convert(arguments: argparse.Namespace) -> int:
    from sparsedecomp.batch import convert_files
    from sparsedecomp.batch.options import conversion_options

    numbers = itertools.count(1)

    def report(done: Conversion) -> None:
        count = f"[{next(numbers)}/{len(arguments.files)}] {done.source}:"
        if done.error is not None:
            _say(f"{count} failed: {one_line(done.error)}")
        else:
            print(f"{count} {done.line}", flush=True)

    try:
        options = conversion_options(arguments)
        outcomes = convert_files(arguments.files, report=report, **options)
    except ValueError as error:
        raise UsageError(error) from error
    failed = [done for done in outcomes if done.error is not None]
    if failed and arguments.debug:
        raise failed[0].error
    return FAILED if failed else OK


def _line_of(outcome: FileOutcome) -> str:
    summary = outcome.summary
    return (
        f"{summary['n_components']} components, residual "
        f"{summary['relative_residual']:.3g}, {summary['passes']} passes over the "
        f"data, {outcome.seconds:.1f} s, {outcome.target}"
    )


def _fuse(arguments: argparse.Namespace) -> int:
    from sparsedecomp.batch.fusion import fuse_files

    options = {k: v for k, v in vars(arguments).items() if k not in ("run", "debug")}
    try:
        report = fuse_files(**options)
    except FileExistsError as error:
        raise UsageError(error) from error
    print(f"{report.summary}\n{report.verdict}\n{arguments.output}")
    return OK


def _denoise(arguments: argparse.Namespace) -> int:
    from sparsedecomp.batch.restoration import denoise_file

    options = {k: v for k, v in vars(arguments).items() if k not in ("run", "debug")}
    try:
        report = denoise_file(**options)
    except FileExistsError as error:
        raise UsageError(error) from error
    print(f"{report}\n{arguments.output}")
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparsedecomp",
        description="Sparse models of spectrum images, on data larger than memory.",
    )
    parser.set_defaults(debug=False)
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (
        _add_demo, _add_datasets, _add_cache, _add_convert, _add_decompose, _add_fuse,
        _add_denoise,
    ):  # fmt: skip
        add(commands, common)
    return parser


def _add_demo(commands: Any, common: argparse.ArgumentParser) -> None:
    command = commands.add_parser(
        "demo",
        parents=[common],
        help="decompose two simulated cubes, or a real one, and draw the result",
        description=(
            "Decompose a simulated EELS and a simulated EDX cube with nmf_so_ard, "
            "print how close the result is to the truth, and draw it."
        ),
    )
    command.set_defaults(run=_demo)
    command.add_argument(
        "--dataset", metavar="NAME", help="a name listed by `sparsedecomp datasets`"
    )
    command.add_argument("--output", default="demo.png", metavar="IMAGE")
    command.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the simulation and of the initial factors",
    )
    command.add_argument(
        "--size", type=int, default=64, metavar="N", help="simulate N x N pixels"
    )


def _add_datasets(commands: Any, common: argparse.ArgumentParser) -> None:
    command = commands.add_parser(
        "datasets",
        parents=[common],
        help="list the cubes that `demo --dataset` knows",
        description="List the cubes that `demo --dataset` knows.",
    )
    command.set_defaults(run=_datasets)


def _add_cache(commands: Any, common: argparse.ArgumentParser) -> None:
    command = commands.add_parser(
        "cache",
        parents=[common],
        help="list or delete the results kept on disk",
        description=(
            "List the results kept on disk: scattering amplitudes, dictionaries, "
            "fetched data sets. What is deleted is computed or fetched again."
        ),
    )
    command.set_defaults(run=_cache)
    command.add_argument("--clear", action="store_true", help="delete the files")


def _add_convert(commands: Any, common: argparse.ArgumentParser) -> None:
    from sparsedecomp.batch.options import add_conversion

    add_conversion(commands, common, _convert)


def _add_decompose(commands: Any, common: argparse.ArgumentParser) -> None:
    from sparsedecomp.batch.options import add_decomposition

    add_decomposition(commands, common, _decompose)


def _add_fuse(commands: Any, common: argparse.ArgumentParser) -> None:
    text = "sharpen a map of spectra by an image of the same field"
    command = commands.add_parser("fuse", parents=[common], help=text, description=text)
    command.set_defaults(run=_fuse)
    add = command.add_argument
    add("cube", metavar="CUBE", help="a map of spectra that HyperSpy reads")
    add("guide", metavar="GUIDE", help="an image, a stack or a map of a few bands")
    add("--output", required=True, metavar="OUT", help="OUT.hspy")
    add("--method", default="auto", metavar="NAME", help="default: auto")
    add("--same-field", action="store_true", help="axes are not calibrated")
    add("--lazy", action="store_true", help="read the cube block by block")
    add("--figure", metavar="IMAGE", help="draw the result in IMAGE")
    add("--force", action="store_true", help="replace a result that exists")


def _add_denoise(commands: Any, common: argparse.ArgumentParser) -> None:
    text = "remove the noise of a spectrum image, a stack, an image or a spectrum"
    command = commands.add_parser(
        "denoise", parents=[common], help=text, description=text
    )
    command.set_defaults(run=_denoise)
    add = command.add_argument
    add("file", metavar="FILE", help="any signal that HyperSpy reads")
    add("--output", required=True, metavar="OUT", help="OUT.hspy")
    add("--method", default="auto", metavar="NAME", help="default: auto")
    add("--components", type=int, metavar="K", help="default: found from the data")
    add("--lazy", action="store_true", help="read the signal block by block")
    add("--figure", metavar="IMAGE", help="draw the signal before and after in IMAGE")
    add("--force", action="store_true", help="replace a result that exists")

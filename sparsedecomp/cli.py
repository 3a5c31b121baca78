"""The ``sparsedecomp`` command: ``demo``, ``datasets`` and ``decompose``.

Exit codes: 0 all went well, 1 something failed, 2 the command makes no sense,
130 interrupted.
"""

import argparse
import ast
import errno
import signal
import sys
import warnings
from pathlib import Path

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(Exception):
    """The command makes no sense, whatever the data are."""


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; default: those of the process.

    Returns
    -------
    int
        The exit code, see the head of this module.

    Examples
    --------
    >>> from sparsedecomp.cli import main
    >>> main(["decompose", "no_such_file.hspy", "--output", "out.hspy"])
    1
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:
        # argparse has printed the help, or what is wrong.
        return stop.code
    # Batch systems end a job with SIGTERM: clean up as for Ctrl-C.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*deprecated.*")
            warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
            return arguments.run(arguments)
    except KeyboardInterrupt:
        _say("interrupted: nothing was left half-written")
        return INTERRUPTED
    except Exception as error:
        if arguments.debug:
            raise
        _say(f"error: {in_words(error)}")
        return USAGE if isinstance(error, UsageError) else FAILED
    finally:
        signal.signal(signal.SIGTERM, previous)


def in_words(error):
    """Say what went wrong in one line, for somebody who does not read tracebacks.

    Parameters
    ----------
    error : Exception
        What was raised.

    Returns
    -------
    str
        The message, with what to do where that is known.

    Examples
    --------
    >>> import errno
    >>> from sparsedecomp.cli import in_words
    >>> in_words(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full: nothing was written; free some space and run again'
    >>> in_words(ValueError())
    'ValueError'
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: nothing was written; free some space and run again"
    if isinstance(error, MemoryError):
        return "not enough memory: try --lazy, and smaller --chunks"
    return " ".join(str(error).split()) or type(error).__name__


def _say(text):
    """Messages go to stderr, results to stdout."""
    print(text, file=sys.stderr, flush=True)


def _demo(arguments):
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
    findings = []
    for cube in cubes:
        print(f"{cube.metadata.General.title}\n  {_dimensions(cube)}", flush=True)
        findings.append(examine(cube, random_state=arguments.seed))
        print(_finding_in_words(findings[-1]), flush=True)
    draw(findings, arguments.output)
    print(f"maps and spectra drawn in {arguments.output}")
    return OK


def _dimensions(cube):
    axes = cube.axes_manager
    pixels = " x ".join(map(str, axes.navigation_shape))
    return f"{pixels} pixels, {axes.signal_size} channels, {cube.data.dtype}"


def _finding_in_words(finding):
    lines = [
        ("components", finding.n_components),
        ("noise", f"{finding.noise:.4g}"),
        ("residual", f"{100 * finding.residual:.2f} % of the data's norm"),
        *(
            (name, f"spectrum {angle:.2f}° from the truth")
            for name, angle in finding.angles.items()
        ),
        ("time", f"{finding.seconds:.1f} s"),
    ]
    if finding.truth is not None:
        lines[0] = (
            "components",
            f"{finding.n_components}, true: {len(finding.truth.names)}",
        )
    if finding.expected_noise is not None:
        lines[1] = (
            "noise",
            f"{finding.noise:.4g}, expected for counts: {finding.expected_noise:.4g}",
        )
    return "\n".join(f"  {name:<14}{value}" for name, value in lines)


def _datasets(arguments):
    from sparsedecomp.datasets import data_dir
    from sparsedecomp.datasets.registry import DATASETS

    folder = data_dir()
    for name, entry in sorted(DATASETS.items()):
        if folder is not None and (folder / entry.file).is_file():
            place = "here"
        else:
            place = "can be fetched" if entry.url else "not here"
        print(f"{name:<22}{place:<16}{entry.title}\n{'':<38}licence: {entry.licence}")
    print("Files are looked for in the folder named by SPARSEDECOMP_DATA_DIR.")
    return OK


def _decompose(arguments):
    from sparsedecomp.batch import Settings, decompose_files

    settings = Settings(
        algorithm=arguments.algorithm,
        max_components=arguments.max_components,
        poisson=arguments.poisson,
        mask=arguments.mask,
        signal_mask=arguments.signal_mask,
        parameters=dict(arguments.set),
    )
    known = []

    def report(outcome):
        known.append(outcome)
        count = f"[{len(known)}/{len(arguments.files)}] {outcome.source}:"
        if outcome.state == "failed":
            _say(f"{count} failed: {in_words(outcome.error)}")
        elif outcome.state == "skipped":
            print(f"{count} done before, {outcome.target}", flush=True)
        else:
            print(f"{count} {_outcome_in_words(outcome)}", flush=True)

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


def _outcome_in_words(outcome):
    summary = outcome.summary
    return (
        f"{summary['n_components']} components, residual "
        f"{summary['relative_residual']:.3g}, {summary['passes']} passes over the "
        f"data, {outcome.seconds:.1f} s, {outcome.target}"
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="sparsedecomp",
        description="Sparse models of spectrum images, on data larger than memory.",
    )
    parser.set_defaults(debug=False)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands, common)
    _add_datasets(commands, common)
    _add_decompose(commands, common)
    return parser


def _add_demo(commands, common):
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
        "--seed", type=int, default=0, metavar="N", help="of simulation and starts"
    )
    command.add_argument(
        "--size", type=int, default=64, metavar="N", help="simulate N x N pixels"
    )


def _add_datasets(commands, common):
    command = commands.add_parser(
        "datasets",
        parents=[common],
        help="list the cubes that `demo --dataset` knows",
        description="List the cubes that `demo --dataset` knows.",
    )
    command.set_defaults(run=_datasets)


def _add_decompose(commands, common):
    command = commands.add_parser(
        "decompose",
        parents=[common],
        help="decompose files, each into a small file of maps and spectra",
        description=(
            "Decompose each FILE into a small .hspy file: maps, spectra = "
            "hs.load(OUT). Results that are there already are not made again; "
            "results of other data or settings are not replaced without --force."
        ),
        epilog="Exit codes: 0 well, 1 a file failed, 2 usage, 130 interrupted.",
    )
    command.set_defaults(run=_decompose)
    add = command.add_argument
    add("files", nargs="+", metavar="FILE", help="any cube that HyperSpy reads")
    add(
        "--output",
        required=True,
        metavar="OUT",
        help="OUT.hspy; for several files a folder/ or a name with {stem} in it",
    )
    add("--algorithm", default="nmf_so_ard", metavar="NAME", help="default: nmf_so_ard")
    add(
        "--max-components",
        type=int,
        metavar="K",
        help="number of components; for nmf_so_ard the upper bound",
    )
    add("--lazy", action="store_true", help="read the cube block by block")
    add(
        "--chunks",
        type=_integers,
        metavar="NY,NX",
        help="pixels per block of a lazy cube (default: the blocks of the file)",
    )
    add(
        "--mask",
        metavar="FILE",
        help="image of the pixels to leave out (1 = out): .npy, or any image",
    )
    add(
        "--signal-mask",
        metavar="RANGES",
        help="channels to leave out: LO:HI,LO:HI in units of the axis, or a file",
    )
    add("--poisson", action="store_true", help="scale counts for Poisson noise")
    add(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="KEY=VALUE",
        help="a parameter of the algorithm, e.g. random_state=0; can be repeated",
    )
    add(
        "--scheduler",
        metavar="WHERE",
        help="threads, synchronous, or a dask cluster: tcp://host:8786",
    )
    add("--force", action="store_true", help="make and replace results that exist")
    add("--quiet", action="store_true", help="no progress bars")


def _integers(text):
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of whole numbers such as 64,64"
        ) from None


def _assignment(text):
    """KEY=VALUE; a value that is no Python literal is a word."""
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value

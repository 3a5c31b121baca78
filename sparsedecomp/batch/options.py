"""Options of the commands ``convert`` and ``decompose``."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable
from typing import Any


def add_conversion(
    commands: Any,
    common: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
) -> None:
    """Add the command ``convert`` to a parser.

    Parameters
    ----------
    commands : object
        What ``ArgumentParser.add_subparsers`` returned.
    common : argparse.ArgumentParser
        Parser of the options of all commands.
    run : callable
        Function that runs the command and returns the exit code.
    """
    command = commands.add_parser(
        "convert",
        parents=[common],
        help="convert files of counts into .scube files, which stay sparse",
        description=(
            "Convert each FILE into a .scube file without ever holding a dense cube: "
            "JEOL .pts, Velox .emd and Bruker .bcf from their streams of events, "
            "Oxford .h5oina and anything else that HyperSpy loads block by block; and "
            ".scube into .hspy. Outputs that exist are kept, a conversion that was "
            "interrupted goes on where it stopped."
        ),
        epilog="Exit codes: 0 success, 1 a file failed, 2 usage, 130 interrupted.",
    )
    command.set_defaults(run=run)
    add = command.add_argument
    add("files", nargs="+", metavar="FILE", help="files of counts")
    add(
        "--output",
        required=True,
        metavar="OUT",
        help="OUT.scube; for several files a folder/ or a name with {stem} in it",
    )
    add("--frames", action="store_true", help="keep the frames as an axis")
    add(
        "--rebin-energy",
        type=int,
        default=1,
        metavar="N",
        help="put N channels together",
    )
    add(
        "--drop-frames",
        type=_integers,
        default=(),
        metavar="I,J",
        help="frames to leave out, from 0; =-1 is the last one",
    )
    add("--detectors", action="store_true", help="a file for each detector (Velox)")
    add("--force", action="store_true", help="replace outputs that exist")
    add("--quiet", action="store_true", help="no progress bars")


def conversion_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Options of `convert_files` from those of the command.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser found.

    Returns
    -------
    dict
        Keywords of `sparsedecomp.batch.convert_files`.
    """
    names = (
        "output", "frames", "rebin_energy", "drop_frames", "detectors", "force",
    )  # fmt: skip
    options = {name: getattr(arguments, name) for name in names}
    return {**options, "show_progressbar": not arguments.quiet}


def add_decomposition(
    commands: Any,
    common: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
) -> None:
    """Add the command ``decompose`` to a parser.

    Parameters
    ----------
    commands : object
        What ``ArgumentParser.add_subparsers`` returned.
    common : argparse.ArgumentParser
        Parser of the options of all commands.
    run : callable
        Function that runs the command and returns the exit code.
    """
    command = commands.add_parser(
        "decompose",
        parents=[common],
        help="decompose files, each into a small file of maps and spectra",
        description=(
            "Decompose each FILE into a small .hspy file: maps, spectra = "
            "hs.load(OUT). Results that exist already are not computed again; "
            "results of other data or settings are not replaced without --force. "
            "Several runs may share a folder: each takes the files that are free."
        ),
        epilog="Exit codes: 0 success, 1 a file failed, 2 usage, 130 interrupted.",
    )
    command.set_defaults(run=run)
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
    add("--force", action="store_true", help="replace results that exist")
    add("--quiet", action="store_true", help="no progress bars")


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of whole numbers such as 64,64"
        ) from None


def _assignment(text: str) -> tuple[str, Any]:
    """Name and value of KEY=VALUE; the value is a Python literal or else a text."""
    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value

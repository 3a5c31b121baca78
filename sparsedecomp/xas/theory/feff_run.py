"""Run FEFF6L: potentials of a cluster, then scattering paths of any length.

FEFF is an external program with its own licence. It is installed with xraylarch; the
environment variable SPARSEDECOMP_FEFF6L may hold the path of another copy.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ...suggestions import check_choice
from .feff_path import FeffPath, read_feff_path

# Symbol and position in angstrom of each atom.
Atoms = Sequence[tuple[str, Sequence[float]]]

_logger = logging.getLogger(__name__)

ENVIRONMENT = "SPARSEDECOMP_FEFF6L"
# Number of bytes of FEFF's output that are kept, of which errors show the last lines.
_KEPT = 2**16
_HOLES = {"K": 1, "L1": 2, "L2": 3, "L3": 4}
_FOLDERS = {"Linux": "linux64", "Darwin": "darwin64", "Windows": "win64"}


class FeffError(RuntimeError):
    """FEFF was not found, took too long, or failed. The message holds its output."""


def find_feff() -> Path:
    """Find the program feff6l.

    Returns
    -------
    pathlib.Path
        Path in SPARSEDECOMP_FEFF6L if set, else the copy in an installed xraylarch,
        else ``feff6l`` on the search path of programs.

    Raises
    ------
    FeffError
        If there is none; the message says how to install it.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        if not Path(named).is_file():
            raise FeffError(
                f"{ENVIRONMENT} is set to {named!r}, which is not a file: set it to "
                "the program feff6l, or unset it."
            )
        return Path(named)
    # The package is located, not imported: importing larch takes seconds.
    larch = importlib.util.find_spec("larch")
    if larch is not None:
        folder = Path(larch.origin).parent / "bin" / _FOLDERS[platform.system()]
        for name in ("feff6l", "feff6l.exe"):
            if (folder / name).is_file():
                return folder / name
    found = shutil.which("feff6l")
    if found is None:
        raise FeffError(
            "FEFF6L was not found. Install xraylarch, which includes it, with "
            'pip install "sparsedecomp[xas]", or set the environment variable '
            f"{ENVIRONMENT} to its path. Grids that come with the package or are in "
            "the cache need no FEFF."
        )
    return Path(found)


def run_feff(
    cluster: Atoms,
    edge: str,
    paths: Sequence[Atoms],
    *,
    time_limit: float = 120.0,
) -> list[FeffPath]:
    """Compute scattering amplitudes of given paths in the potentials of a cluster.

    The potentials are computed once and used for every path. Paths need not occur in
    the cluster.

    Parameters
    ----------
    cluster : sequence of (str, (float, float, float))
        Symbol and position in angstrom of each atom, the absorber first.
    edge : {"K", "L1", "L2", "L3"}
        Absorption edge.
    paths : sequence of sequence of (str, (float, float, float))
        Scattering atoms of each path in order, without the absorber at the origin
        that begins and ends it; an atom at the origin is the absorber.
    time_limit : float, default 120
        Seconds after which FEFF is stopped.

    Returns
    -------
    list of FeffPath
        Paths in the order given.

    Raises
    ------
    FeffError
        If FEFF is not found, exceeds its time, or fails; with its own message.
    ValueError
        If the edge is unknown.
    """
    check_choice("edge", edge, _HOLES)
    program = find_feff()
    potentials = list(dict.fromkeys(symbol for symbol, _ in cluster[1:]))
    with tempfile.TemporaryDirectory(prefix="feff-") as name:
        folder = Path(name)
        (folder / "paths.dat").write_text(_paths_file(paths, cluster[0][0], potentials))
        for control in ("1 0 0 0", "0 0 1 0"):
            text = _input_file(cluster, potentials, edge, control)
            (folder / "feff.inp").write_text(text)
            printed = _call(program, folder, time_limit)
        files = [folder / f"feff{i + 1:04d}.dat" for i in range(len(paths))]
        missing = [i for i, file in enumerate(files) if not file.is_file()]
        if missing:
            raise FeffError(
                f"FEFF wrote {len(paths) - len(missing)} of {len(paths)} paths. It "
                f"said:\n{printed}"
            )
        return [read_feff_path(file) for file in files]


def _call(program: Path, folder: Path, time_limit: float) -> str:
    _logger.info("running %s", program)
    try:
        process = subprocess.Popen(
            [str(program)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            # A group of its own, so that its children can be stopped with it.
            start_new_session=True,
        )
    except OSError as error:
        raise FeffError(f"{program} cannot be run: {error}.") from error
    end = bytearray()
    reader = threading.Thread(target=_keep_end, args=(process.stdout, end), daemon=True)
    reader.start()
    try:
        code = process.wait(time_limit)
    except subprocess.TimeoutExpired as error:
        raise FeffError(
            f"FEFF took more than {time_limit:g} s and was stopped. Give fewer "
            "distances, or a longer time_limit."
        ) from error
    finally:
        _stop(process)
        # A child in another group may hold the pipe open.
        reader.join(1.0)
    lines = end.decode(errors="replace").strip().splitlines()
    printed = "\n".join(lines[-12:])
    if code != 0 or not (folder / "phase.bin").is_file():
        raise FeffError(f"FEFF ended with code {code}. It said:\n{printed}")
    return printed


def _keep_end(stream: IO[bytes], end: bytearray) -> None:
    """Read a stream until it ends and keep its last bytes in an array."""
    while piece := stream.read(_KEPT):
        end += piece
        del end[:-_KEPT]
    stream.close()


def _stop(process: subprocess.Popen) -> None:
    """Stop a program and the processes that it started."""
    if os.name == "nt":
        if process.poll() is None:
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True)
    else:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _input_file(cluster: Atoms, potentials: list[str], edge: str, control: str) -> str:
    from .elements import atomic_number

    absorber = cluster[0][0]
    lines = [
        "TITLE " + absorber + " " + edge,
        f"HOLE {_HOLES[edge]} 1.0",
        f"CONTROL {control}",
        "PRINT 0 0 0 0",
        # Keep weak, distant paths.
        "CRITERIA 0 0",
        "RMAX 1.0",
        "POTENTIALS",
        f"0 {atomic_number(absorber)} {absorber}",
    ]
    for index, symbol in enumerate(potentials, start=1):
        lines.append(f"{index} {atomic_number(symbol)} {symbol}")
    lines.append("ATOMS")
    for i, (symbol, (x, y, z)) in enumerate(cluster):
        index = potentials.index(symbol) + 1 if i else 0
        lines.append(f"{x:12.6f} {y:12.6f} {z:12.6f} {index} {symbol}")
    return "\n".join([*lines, "END", ""])


def _paths_file(
    paths: Sequence[Atoms],
    absorber: str,
    potentials: list[str],
) -> str:
    lines = ["paths of given lengths", "-" * 71]
    for number, atoms in enumerate(paths, start=1):
        lines.append(f"{number:6d}{len(atoms) + 1:5d}   1.000  index, nleg, degeneracy")
        lines.append("      x           y           z     ipot  label")
        for symbol, (x, y, z) in atoms:
            # The absorber itself, with its core hole, has potential 0.
            index = potentials.index(symbol) + 1 if x or y or z else 0
            lines.append(f"{x:12.6f}{y:12.6f}{z:12.6f}{index:4d} '{symbol:<6s}'")
        lines.append(f"{0:12.6f}{0:12.6f}{0:12.6f}{0:4d} '{absorber:<6s}'")
    return "\n".join([*lines, ""])

"""Claims on result files, so that several batch runs can share one folder.

A run writes a small hidden file beside the result that it is working on and touches it
from time to time. Claims and temporary files of a run that was killed are recognised
by their process or by their age, and removed by the next run.
"""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Seconds between two signs of life of a claim, and seconds without one after which
# the claim of a run on another machine is void. A longer second value takes files of
# killed runs over later; it has to exceed the differences between the clocks.
_INTERVAL, _VOID_AFTER = 30.0, 900.0
# Seconds after which a temporary file of another machine is removed: longer than the
# writing of one result takes.
_OLD = 86400.0
_TEMPORARY = re.compile(r"\.(?P<name>.+)-(?P<pid>\d+)-[12]\.hspy")
# Results that this process is working on.
_held: set[Path] = set()


def temporary_path(target: Path, part: int) -> Path:
    """Path beside a result file that names machine and process of the writer."""
    return target.with_name(f".{target.stem}-{_host()}-{os.getpid()}-{part}.hspy")


@contextmanager
def claimed(target: Path) -> Iterator[bool]:
    """Claim a result file within a context.

    Parameters
    ----------
    target : pathlib.Path
        Result file; its folder is made if missing.

    Yields
    ------
    bool
        Whether this run may make the file; False while another run works on it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    claim = _claim_of(target)
    if claim.exists() and _is_void(claim, target):
        claim.unlink(missing_ok=True)
    try:
        with claim.open("x") as file:
            file.write(_owner())
    except FileExistsError:
        yield False
        return
    ended = threading.Event()
    thread = threading.Thread(target=_keep_alive, args=(claim, ended), daemon=True)
    _held.add(target.absolute())
    thread.start()
    try:
        yield True
    finally:
        ended.set()
        thread.join()
        _held.discard(target.absolute())
        # Another run may have taken over while this one was suspended.
        with suppress(OSError):
            if claim.read_text() == _owner():
                claim.unlink()


def remove_abandoned(targets: Iterable[Path]) -> None:
    """Remove claims and temporary files that killed runs left beside result files.

    Parameters
    ----------
    targets : iterable of pathlib.Path
        Result files. Files beside others are left alone.
    """
    folders: dict[Path, list[Path]] = {}
    for target in targets:
        folders.setdefault(target.parent, []).append(target)
        claim = _claim_of(target)
        if claim.exists() and _is_void(claim, target):
            claim.unlink(missing_ok=True)
    for folder, inside in folders.items():
        for file in folder.glob(".*-[12].hspy"):
            if (match := _TEMPORARY.fullmatch(file.name)) is None:
                continue
            name, pid = match["name"], int(match["pid"])
            for target in inside:
                # Earlier versions did not name the machine.
                local = name in (target.stem, f"{target.stem}-{_host()}")
                if not local and not name.startswith(f"{target.stem}-"):
                    continue
                if (local and not _is_running(pid, target)) or _age(file) > _OLD:
                    file.unlink(missing_ok=True)
                    break


def _host() -> str:
    return platform.node() or "localhost"


def _owner() -> str:
    return f"{_host()} {os.getpid()}"


def _claim_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.claim")


def _keep_alive(claim: Path, ended: threading.Event) -> None:
    while not ended.wait(_INTERVAL):
        with suppress(OSError):
            os.utime(claim)


def _is_void(claim: Path, target: Path) -> bool:
    """Whether the run that made a claim is dead."""
    try:
        host, _, pid = claim.read_text().rpartition(" ")
    except OSError:
        return False
    dead = host == _host() and pid.isdecimal() and not _is_running(int(pid), target)
    return dead or _age(claim) > _VOID_AFTER


def _age(file: Path) -> float:
    """Seconds since a file was changed; 0 if it has vanished."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0


def _is_running(pid: int, target: Path) -> bool:
    """Whether a process of this machine may still be working on a result."""
    if pid == os.getpid():
        # Containers give the number of a killed process to the next one.
        return target.absolute() in _held
    if os.name == "nt":
        # `os.kill` would end the process there: the age decides.
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

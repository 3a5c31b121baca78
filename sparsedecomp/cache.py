"""Folder of the disk cache for results that take long to compute."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Environment variable that names the folder; by default the operating system's.
VARIABLE = "SPARSEDECOMP_CACHE_DIR"


def cache_folder(kind: str) -> Path:
    """Folder for results of one kind; it need not exist.

    Parameters
    ----------
    kind : str
        Name of the folder, for instance "feff".

    Returns
    -------
    pathlib.Path
        Path of the folder.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named) / kind
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "sparsedecomp" / kind

"""Where computed things that take long are kept on disk."""

import os
import sys
from pathlib import Path

# Names the folder; default: where the operating system wants caches.
VARIABLE = "SPARSEDECOMP_CACHE_DIR"


def cache_folder(kind):
    """Folder for results of one kind; it need not exist.

    Parameters
    ----------
    kind : str
        For instance "feff".

    Returns
    -------
    pathlib.Path
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

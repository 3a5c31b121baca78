"""Readers of X-ray absorption data and of counts in RosettaSciIO's own layout.

Each format is a package with a ``file_reader`` and a ``specifications.yaml``.
`IO_PLUGINS` lists them as `rsciio.IO_PLUGINS` does, so that they can be added to the
formats of ``hs.load``. A reader can also be called directly::

    from rsciio_sparse.xdi import file_reader

    (spectrum,) = file_reader("foil.xdi")
"""

from __future__ import annotations

from typing import Any as _Any

__all__ = ["IO_PLUGINS", "MalformedFile"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> _Any:
    if name == "IO_PLUGINS":
        from rsciio_sparse._io_plugins import IO_PLUGINS

        return IO_PLUGINS
    if name == "MalformedFile":
        from rsciio_sparse._text import MalformedFile

        return MalformedFile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

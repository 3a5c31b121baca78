"""XAS Data Interchange (XDI) files."""

from rsciio_sparse.xdi._api import file_reader

__all__ = ["file_reader"]

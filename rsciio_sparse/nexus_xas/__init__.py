"""NeXus files of X-ray absorption."""

from rsciio_sparse.nexus_xas._api import file_reader

__all__ = ["file_reader"]

"""Text of version 9809 of the Photon Factory and SPring-8."""

from rsciio_sparse.xas9809._api import file_reader

__all__ = ["file_reader"]

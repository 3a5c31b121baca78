"""Athena project files."""

from rsciio_sparse.athena._api import file_reader

__all__ = ["file_reader"]

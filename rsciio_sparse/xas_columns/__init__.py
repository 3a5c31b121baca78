"""Plain columns of X-ray absorption: energy and mu, or k and chi."""

from rsciio_sparse.xas_columns._api import file_reader

__all__ = ["file_reader"]

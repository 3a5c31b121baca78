"""Stacks of scanning transmission X-ray microscopes: a header and a text per image."""

from rsciio_sparse.stxm_hdr._api import file_reader

__all__ = ["file_reader"]

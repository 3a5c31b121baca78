"""Reader and writer of .scube files: counts that stay sparse on disk."""

from rsciio_sparse.scube._api import file_reader, file_writer
from rsciio_sparse.scube._lazy import sparse_twin

__all__ = ["file_reader", "file_writer", "sparse_twin"]

"""Reader and writer of .scube files: counts that stay sparse on disk."""

from rsciio_sparse.scube._api import file_reader, file_writer

__all__ = ["file_reader", "file_writer"]

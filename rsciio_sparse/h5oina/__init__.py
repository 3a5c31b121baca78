"""Reader of Oxford Instruments' .h5oina files: EDS spectra and electron images."""

from rsciio_sparse.h5oina._api import file_reader

__all__ = ["file_reader"]

"""Spectra as mixtures of measured reference spectra."""

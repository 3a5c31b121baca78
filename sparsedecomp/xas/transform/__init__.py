"""Fourier and wavelet transforms of chi(k)."""

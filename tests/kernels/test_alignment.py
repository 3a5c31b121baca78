"""Spectra moved along their energy axis."""

import numpy as np

from sparsedecomp.kernels.alignment import shift_spectra

from ..naive import alignment as naive


def test_shifts_agree_with_the_oracle(run, rng, dtype, close):
    X = rng.random((9, 15)).astype(dtype)
    shift = np.array([0.0, 0.2, -0.2, 0.5, -0.5, 1.7, -3.4, 20.0, -20.0])
    out = np.empty_like(X)
    run(shift_spectra, X, shift, out)
    spectra = zip(X.astype(float), shift, strict=True)
    close(out, [naive.shift_spectrum(x, d) for x, d in spectra])


def test_every_shift_blurs_alike(run):
    e = np.arange(200.0)
    X = np.tile(np.exp(-0.5 * ((e - 100) / 4) ** 2), (11, 1))
    shift = np.linspace(-0.5, 0.5, 11)
    out = np.empty_like(X)
    run(shift_spectra, X, shift, out)
    mean = (out @ e) / out.sum(axis=1)
    variance = (out @ e**2) / out.sum(axis=1) - mean**2
    np.testing.assert_allclose(mean, 100 - shift, atol=1e-9)
    np.testing.assert_allclose(variance, 16.25, atol=1e-9)

"""`s.sparsity`: shapes, laziness and what is refused."""

import numpy as np
import pytest

import sparsedecomp  # noqa: F401

hs = pytest.importorskip("hyperspy.api")
pytest.importorskip("pywt")


def test_images_spectra_cubes_and_lazy_signals():
    y, x = np.mgrid[:40, :36]
    image = np.cos(y / 5.0) * np.cos(x / 7.0)
    found = hs.signals.Signal2D(image).sparsity()
    assert found.shape == (40, 36) and "numbers kept" in str(found)
    assert "dB with 2.5 %" in repr(found)
    assert hs.signals.Signal1D(image[3]).sparsity().shape == (36,)
    assert hs.signals.Signal1D(image).sparsity().shape == (40, 36)
    cube = hs.signals.Signal1D(image[..., None] * np.linspace(1, 2, 30))
    eager, lazy = cube.sparsity(), cube.as_lazy().sparsity()
    assert eager.shape == (40, 36, 30) and lazy.psnr == eager.psnr


def test_the_centre_of_a_large_map_is_looked_at(monkeypatch):
    from sparsedecomp.extension import sparsity

    monkeypatch.setattr(sparsity, "_MOST", 2**14)
    counts = np.random.default_rng(0).poisson(1.0, (40, 35, 40)).astype(np.uint8)
    found = hs.signals.Signal1D(counts).sparsity()
    assert found.shape == (20, 20, 40)


def test_bad_input_is_refused():
    with pytest.raises(TypeError, match="complex"):
        hs.signals.Signal1D(1j * np.ones(8)).sparsity()
    with pytest.raises(ValueError, match="without NaN"):
        hs.signals.Signal1D([1.0, np.nan, 2.0]).sparsity()

"""How few coefficients carry data: against orthogonal bases, and bad input."""

import numpy as np
import pytest

from sparsedecomp.restoration import best_coefficients, sparsity_of

pytest.importorskip("pywt")


@pytest.fixture(scope="module")
def image():
    y, x = np.mgrid[:60, :52]
    return np.cos(y / 9.0) * np.sin(x / 7.0) + ((y - 30) ** 2 + (x - 26) ** 2 < 150)


def test_the_error_is_that_of_the_coefficients_left_out(image):
    """The cosines are orthogonal, so the sum of squares left out is the error."""
    from scipy.fft import dctn

    found = best_coefficients(image, 0.03, None)
    squares = np.sort(np.square(dctn(image, norm="ortho")).ravel())[::-1]
    error = np.square(found.values - image).sum()
    assert found.n_kept == round(0.03 * image.size)
    assert error == pytest.approx(squares[found.n_kept :].sum())


def test_more_coefficients_come_closer_and_all_are_the_data(image):
    psnr = [best_coefficients(image, share).psnr for share in (0.01, 0.05, 0.2)]
    assert psnr[0] < psnr[1] < psnr[2]
    whole = best_coefficients(image[:32, :32], 1.0, "sym8")
    np.testing.assert_allclose(whole.values, image[:32, :32], atol=1e-9)
    assert (
        best_coefficients(image, 0.05).psnr
        >= best_coefficients(image, 0.05, "sym8").psnr
    )


def test_refitted_coefficients_are_the_best_of_their_wavelets(rng):
    """No change of a kept coefficient makes the approximation better."""
    import pywt

    image = rng.normal(size=(32, 32)).cumsum(axis=0).cumsum(axis=1)
    found = best_coefficients(image, 0.05, "bior4.4")
    parts = pywt.wavedecn(image, "bior4.4", "periodization", 2)
    c, slices = pywt.coeffs_to_array(parts)
    largest = np.zeros_like(c)
    order = np.argsort(-np.abs(c.ravel()))[: found.n_kept]
    largest.ravel()[order] = c.ravel()[order]
    plain = pywt.waverecn(
        pywt.array_to_coeffs(largest, slices, "wavedecn"), "bior4.4", "periodization"
    )
    assert np.square(found.values - image).sum() < np.square(plain - image).sum()


def test_each_basis_carries_what_is_sparse_in_it(rng):
    low_rank = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 50))
    found = sparsity_of(low_rank)
    assert found["svd"][0.1] > 100 and found["svd"][0.1] > found["wavelets"][0.1] + 40
    steps = np.repeat(rng.normal(size=8), 100)
    assert sparsity_of(steps)["differences"][0.01] > 200
    cosine = np.cos(np.pi * (np.arange(256) + 0.5) * 9 / 256)
    assert sparsity_of(cosine)["cosines"][0.01] > 200
    cube = rng.random((8, 9, 20))
    assert set(sparsity_of(cube)) == set(found)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="without NaN"):
        sparsity_of([1.0, np.nan])
    with pytest.raises(ValueError, match="a part of 1"):
        best_coefficients(np.ones((8, 8)), 0.0)
    with pytest.raises(ValueError, match="expected a spectrum"):
        best_coefficients(np.ones((2, 2, 2, 2)), 0.1)
    constant = best_coefficients(np.full((16, 16), 3.0), 0.1)
    np.testing.assert_allclose(constant.values, 3)

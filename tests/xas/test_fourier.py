"""Windows and the transform to chi(R), against sums written out and larch's numbers."""

import numpy as np
import pytest

from sparsedecomp.xas import transform_matrix, window
from sparsedecomp.xas.transform.fourier import WINDOWS

K = np.arange(0, 16.001, 0.05)


@pytest.mark.parametrize("kind", WINDOWS)
def test_windows_stay_between_0_and_1_and_keep_the_middle(kind):
    values = window(K, 3, 14, 1, kind)
    assert values.min() >= 0 and values.max() <= 1
    middle = np.abs(K - 8.5).argmin()
    assert values[middle] == pytest.approx(1)
    np.testing.assert_allclose(values, window(17 - K[::-1], 3, 14, 1, kind)[::-1])


@pytest.mark.parametrize("kind", ["hanning", "parzen", "welch"])
def test_sills_are_as_wide_as_asked_for(kind):
    values = window(K, 3, 14, 2, kind)
    assert (values[(K >= 4.001) & (K <= 12.999)] == 1).all()
    assert (values[(K <= 2) | (K >= 15)] == 0).all()
    half = {"hanning": 0.5, "parzen": 0.5, "welch": 0.75}[kind]
    assert values[np.abs(K - 3).argmin()] == pytest.approx(half)


def test_no_taper_cuts_sharply():
    np.testing.assert_array_equal(window(K, 3, 14, 0), (K >= 3) & (K < 14 - 1e-9))


def test_window_ends_where_the_data_end():
    values = window(K, 0, K[-1], 1)
    assert values[0] == 0 and values[-1] == pytest.approx(0)
    assert values[5] > 0.2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # larch 2026.3.1: ftwindow(k, xmin=3, xmax=14, dx=1, window=kind) at 2.75, 8.
        ("hanning", (0.14644661, 1.0)),
        ("parzen", (0.25, 1.0)),
        ("welch", (0.4375, 1.0)),
        ("sine", (0.06540313, 0.99144486)),
        ("kaiser", (0.07706202, 0.99262762)),
        ("gaussian", (6.6156e-08, 0.8824969)),
    ],
)
def test_windows_equal_larch(kind, expected):
    values = window(K, 3, 14, 1, kind)
    np.testing.assert_allclose(
        values[[np.abs(K - 2.75).argmin(), np.abs(K - 8).argmin()]], expected, atol=2e-7
    )


def test_transform_is_the_sum_of_its_definition():
    rng = np.random.default_rng(0)
    chi, r = rng.normal(size=len(K)), np.array([0.0, 1.7, 4.03])
    weight = K**3 * window(K, 3, 14, 1)
    naive = [
        0.05 / np.sqrt(np.pi) * sum(c * w * np.exp(-2j * k * at) for c, w, k in z)
        for at in r
        for z in [list(zip(chi, weight, K, strict=True))]
    ]
    matrix = transform_matrix(K, r, kmin=3, kmax=14, kweight=3)
    np.testing.assert_allclose(matrix @ chi, naive, rtol=1e-10)


def test_transform_equals_padded_fast_transform():
    chi = np.random.default_rng(1).normal(size=len(K))
    padded = np.zeros(2048)
    padded[: len(K)] = chi * K**2 * window(K, 3, 14, 1)
    fast = 0.05 / np.sqrt(np.pi) * np.fft.fft(padded)[:300]
    r = np.pi / (0.05 * 2048) * np.arange(300)
    matrix = transform_matrix(K, r, kmin=3, kmax=14)
    np.testing.assert_allclose(matrix @ chi, fast, atol=1e-10)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((3, 18), "leaves the data, which cover 0 to 16"),
        ((-1, 12), "leaves the data"),
        ((12, 3), "is empty"),
        ((3, 3), "is empty"),
    ],
)
def test_range_must_lie_in_the_data(limits, message):
    with pytest.raises(ValueError, match=message):
        window(K, *limits)


def test_bad_grids_and_kinds_are_refused():
    with pytest.raises(ValueError, match=r"k does not increase: 2 1/angstrom at index"):
        window([1, 2, 2, 3], 1, 3)
    with pytest.raises(ValueError, match="k is nan at index 1"):
        window([1, np.nan, 2, 3], 1, 3)
    with pytest.raises(ValueError, match=r"no window\. Known: hanning"):
        window(K, 3, 14, 1, "hann")
    with pytest.raises(ValueError, match="width of 0 or more"):
        window(K, 3, 14, -1)
    with pytest.raises(ValueError, match="not evenly spaced"):
        transform_matrix(K**1.1, [1.0], kmin=3, kmax=14)
    with pytest.raises(ValueError, match="2 points or more"):
        window([1.0], 1, 3)

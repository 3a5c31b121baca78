"""Joint non-local means against sums written out, in both precisions."""

import numpy as np
import pytest

from sparsedecomp.kernels.nonlocal_means import average_similar


def written_out(Z, guide, patch, search, excess, bandwidth):
    """The same by padded copies and plain loops over pixels."""
    H, W, _ = Z.shape
    wide = patch + search
    pad = [(wide, wide), (wide, wide), (0, 0)]
    padded, compared = np.pad(Z, pad, "reflect"), np.pad(guide, pad, "reflect")
    # Patches beyond the edge are those of mirrored pixels.
    out = np.empty_like(Z)
    sides = range(-patch, patch + 1)
    for i in range(H):
        for j in range(W):
            total, weights, largest = 0, 0, 0
            for dy in range(-search, search + 1):
                for dx in range(-search, search + 1):
                    if dy == dx == 0:
                        continue
                    d = 0
                    for a in sides:
                        for b in sides:
                            y, x = mirrored(i + a, H), mirrored(j + b, W)
                            other = compared[y + dy + wide, x + dx + wide]
                            d += np.square(guide[y, x] - other).sum()
                    d = max(d / len(sides) ** 2 - excess, 0) / bandwidth
                    weight = np.exp(-d)
                    total = total + weight * padded[i + dy + wide, j + dx + wide]
                    weights += weight
                    largest = max(largest, weight)
            out[i, j] = (total + largest * Z[i, j]) / (weights + largest)
    return out


def mirrored(i, n):
    i = abs(i)
    return 2 * n - 2 - i if i >= n else i


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_shifts_are_those_written_out(run, rng, dtype):
    Z = rng.normal(size=(9, 8, 2)).astype(dtype)
    guide = rng.normal(size=Z.shape).astype(dtype)
    out = np.zeros_like(Z)
    for first, last in ((0, 4), (4, 9)):
        run(average_similar, Z, guide, first, last, 1, 2, 0.5, 3.0, out)
    expected = written_out(Z, guide, 1, 2, 0.5, 3.0)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_a_line_of_one_row_is_averaged_along_itself(rng):
    Z = np.tile(np.arange(4.0), 8)[None, :, None]
    noisy = Z + 0.1 * rng.normal(size=Z.shape)
    out = np.empty_like(noisy)
    average_similar(noisy, Z, 0, 1, 1, 8, 0.0, 0.01, out)
    assert np.std(out - Z) < 0.7 * np.std(noisy - Z)

"""How few coefficients carry an image, a spectrum or a cube, in several bases."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dctn, idctn

# Parts of the coefficients that are compared, from few to many.
_SHARES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2)
BASES = ("wavelets", "cosines", "differences", "svd")
"""Names of the bases of `sparsity_of`."""
WAVELETS = ("bior4.4", "bior6.8", "sym8")
"""Wavelets that are compared: the best ones for photographs and for textures."""
# Refits of the coefficients that are kept; more change less than 0.01 dB.
_REFITS = 4


@dataclass(frozen=True, eq=False)
class Approximation:
    """Data from their largest coefficients, by `best_coefficients`.

    Attributes
    ----------
    values : array
        Approximated data.
    n_kept : int
        Number of coefficients that are kept.
    psnr : float
        Peak signal-to-noise ratio in decibels, with the range of the data as peak.
    """

    values: NDArray
    n_kept: int
    psnr: float


def best_coefficients(
    data: ArrayLike, share: float, wavelet: str | None = "best"
) -> Approximation:
    """Approximate data by their largest wavelet or cosine coefficients.

    Parameters
    ----------
    data : array of one to three axes
        Data without NaN.
    share : float
        Number of coefficients that are kept, over the number of values, in (0, 1].
    wavelet : str or None, default "best"
        Name in PyWavelets, or the best one of `WAVELETS`; None for discrete cosines.

    Returns
    -------
    Approximation
        The data from these coefficients, and how close they are.

    Raises
    ------
    ValueError
        For NaN, another number of axes, and a share that is not in (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import best_coefficients
    >>> y, x = np.mgrid[:64, :64]
    >>> found = best_coefficients(np.cos(y / 9.0) * np.cos(x / 7.0), 0.025)
    >>> found.n_kept, bool(found.psnr > 30)
    (102, True)
    """
    X = _checked(data)
    if not 0 < share <= 1:
        raise ValueError(f"share={share!r} was given, expected a part of 1.")
    n = max(1, round(share * X.size))
    return _approximated(X, n, wavelet)


def sparsity_of(data: ArrayLike) -> dict[str, dict[float, float]]:
    """Peak signal-to-noise ratio over the number of coefficients, in several bases.

    Parameters
    ----------
    data : array of one to three axes
        Image, spectrum, or cube with the channels last.

    Returns
    -------
    dict of str to dict of float to float
        For "wavelets", "cosines", "differences" (those to the neighbours, of which the
        total variation is the sum) and "svd" (of the matrix of rows and columns, or of
        pixels and channels): decibels for each share of the numbers that are kept.

    Raises
    ------
    ValueError
        For NaN and another number of axes.

    Notes
    -----
    Differences that are dropped make flat regions, and the others are summed up again
    along each row; this basis is not orthogonal, so its figures are no best ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import sparsity_of
    >>> found = sparsity_of(np.outer(np.arange(32.0), np.arange(40.0)))
    >>> bool(found["svd"][0.1] > 60)
    True
    """
    X = _checked(data)
    found: dict[str, dict[float, float]] = {name: {} for name in BASES}
    steps = np.diff(X.ravel())
    order = np.argsort(-np.abs(steps), kind="stable")
    matrix = X.reshape(-1, X.shape[-1])
    U, s, V = np.linalg.svd(matrix, full_matrices=False)
    for share in _SHARES:
        n = max(1, round(share * X.size))
        found["wavelets"][share] = _approximated(X, n, "best").psnr
        found["cosines"][share] = _approximated(X, n, None).psnr
        kept = np.zeros_like(steps)
        kept[order[: n - 1]] = steps[order[: n - 1]]
        summed = np.append(0, np.cumsum(kept))
        summed += (X.ravel() - summed).mean()
        found["differences"][share] = _psnr(summed.reshape(X.shape), X)
        # A component takes a number for each row, each column, and its size.
        k = int(n // (sum(matrix.shape) + 1))
        low_rank = (U[:, :k] * s[:k]) @ V[:k]
        found["svd"][share] = _psnr(low_rank.reshape(X.shape), X)
    return found


def _approximated(X: NDArray, n: int, wavelet: str | None) -> Approximation:
    if wavelet is None:
        values = idctn(_largest(dctn(X, norm="ortho"), n), norm="ortho")
        return Approximation(values, n, _psnr(values, X))
    names = WAVELETS if wavelet == "best" else (wavelet,)
    tried = [_of_wavelet(X, n, name) for name in names]
    return max(tried, key=lambda each: each.psnr)


def _of_wavelet(X: NDArray, n: int, wavelet: str) -> Approximation:
    import pywt

    axes = [axis for axis, size in enumerate(X.shape) if size > 1]
    # Levels down to some four coefficients of an axis.
    level = max(1, int(np.log2(max(max(X.shape) / 4, 2))))
    pad = [(0, -size % 2**level if size > 1 else 0) for size in X.shape]
    padded = np.pad(X, pad, mode="symmetric")

    def analysed(values: NDArray, wavelet: str) -> tuple[NDArray, list]:
        with warnings.catch_warnings():
            # It warns that filters are longer than the coarsest levels.
            warnings.simplefilter("ignore", UserWarning)
            parts = pywt.wavedecn(values, wavelet, "periodization", level, axes)
        return pywt.coeffs_to_array(parts, axes=axes)

    def made(c: NDArray) -> NDArray:
        parts = pywt.array_to_coeffs(c, slices, "wavedecn")
        return pywt.waverecn(parts, wavelet, "periodization", axes)

    c, slices = analysed(padded, wavelet)
    c = _largest(c, n)
    if wavelet.startswith("bior"):
        # They are not orthogonal: the coefficients kept are fitted again, by steps
        # along the gradient, which the dual wavelet gives.
        kept = c != 0
        for _ in range(_REFITS):
            c = (
                c
                + kept * analysed(padded - made(c), wavelet.replace("bior", "rbio"))[0]
            )
    values = made(c)[tuple(slice(size) for size in X.shape)]
    return Approximation(values, n, _psnr(values, X))


def _largest(c: NDArray, n: int) -> NDArray:
    """The n largest coefficients, zero elsewhere."""
    if n >= c.size:
        return c
    order = np.argpartition(-np.abs(c.ravel()), n - 1)[:n]
    kept = np.zeros(c.size)
    kept[order] = c.ravel()[order]
    return kept.reshape(c.shape)


def _psnr(values: NDArray, X: NDArray) -> float:
    error = float(np.square(values - X).mean())
    peak = float(np.ptp(X)) or 1.0
    return float(10 * np.log10(peak**2 / error)) if error > 0 else np.inf


def _checked(data: ArrayLike) -> NDArray:
    X = np.asarray(data, float)
    if X.ndim not in (1, 2, 3) or X.size < 2 or not np.isfinite(X).all():
        raise ValueError(
            f"Data of shape {X.shape} were given, expected a spectrum, an image or a "
            "cube without NaN."
        )
    return X

r"""Principal components of a series of spectra, and which references lie in their span.

The series D, energies by spectra, is decomposed without subtracting a mean,
:math:`D = U S V^T`. With k components its real error is

.. math::

    RE = \sqrt{\sum_{j > k} s_j^2 / (r (c - k))}, \qquad IND = RE / (c - k)^2

for r rows and c columns, c the smaller of both. The number of components is that of the
smallest indicator IND. The target transform of a reference f is :math:`U_k U_k^T f`,
which is f itself, but for noise, if f is a component of the series. Its error from the
noise of the series is :math:`EDM = RE\, |t|` with :math:`t = S_k^{-1} U_k^T f`; SPOIL
compares what remains of f with it. SPOIL was made for series of some ten spectra: it
ignores the noise of the reference itself, which is the larger one for images, and for
which the reduced chi-square allows.

References
----------
E. R. Malinowski, Anal. Chem. 49 (1977) 612; Anal. Chim. Acta 103 (1978) 339; A.
Manceau, M. A. Marcus, N. Tamura, Rev. Mineral. Geochem. 49 (2002) 341.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.reduction.merge import scan_noise


class PrincipalComponents(NamedTuple):
    """Principal components of a series of spectra.

    Attributes
    ----------
    components : numpy.ndarray of shape (n_components, n_E)
        Orthonormal spectra, the strongest first.
    singular_values : numpy.ndarray of shape (c,)
        Singular values of the series, of all components.
    indicator : numpy.ndarray of shape (c - 1,)
        Malinowski's IND for one component, two, and so on.
    real_error : float
        Noise of the series, as the components that were left out tell it.
    """

    components: np.ndarray
    singular_values: np.ndarray
    indicator: np.ndarray
    real_error: float


class TargetTest(NamedTuple):
    """How well a reference lies in the span of principal components.

    Attributes
    ----------
    transform : numpy.ndarray of shape (n_E,)
        Reference as the components describe it.
    r_factor : float
        Sum of the squared residuals over that of the squared reference.
    spoil : float
        Error of the reference over that of the series: below 1.5 excellent, below 3
        good, below 4.5 fair, below 6 acceptable, above not a component.
    reduced_chi2 : float
        Mean of the squared residuals over their variance from the noise of the
        reference and of the series: about one for a component.
    """

    transform: np.ndarray
    r_factor: float
    spoil: float
    reduced_chi2: float


def principal_components(
    products: ArrayLike, n_spectra: int, n_components: int | None = None
) -> PrincipalComponents:
    """Principal components from the sums of products of a series.

    Parameters
    ----------
    products : array_like of shape (n_E, n_E)
        Sum over all spectra x of ``outer(x, x)``, without subtracting a mean.
    n_spectra : int
        Number of spectra in the sum.
    n_components : int, optional
        Number of components; by default that of the smallest indicator IND.

    Returns
    -------
    PrincipalComponents
        Components, singular values, indicator and noise.

    Raises
    ------
    ValueError
        If there are fewer than three spectra or energies, or the number of components
        is not between one and one less than both.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import principal_components
    >>> rng = np.random.default_rng(0)
    >>> energy = np.linspace(-1, 1, 50)
    >>> D = rng.dirichlet([1, 1], 30) @ [np.exp(energy), np.exp(-energy)]
    >>> D += rng.normal(0, 0.01, D.shape)
    >>> found = principal_components(D.T @ D, len(D))
    >>> len(found.components), round(found.real_error, 3)
    (2, 0.01)
    """
    matrix = np.asarray(products, dtype=float)
    r, c = max(len(matrix), n_spectra), min(len(matrix), n_spectra)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or c < 3:
        raise ValueError(
            f"{n_spectra} spectra and products of the shape {matrix.shape}: three "
            "spectra and three energies are needed at least."
        )
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values[::-1][:c], 0)
    number = np.arange(1, c)
    # Sums of the smallest first lose no digits.
    rest = np.cumsum(values[::-1])[::-1][1:]
    error = np.sqrt(rest / (r * (c - number)))
    indicator = error / (c - number) ** 2
    if n_components is None:
        n_components = int(np.argmin(indicator[: max(1, (c - 1) // 2)])) + 1
    if not 1 <= n_components < c:
        raise ValueError(
            f"n_components={n_components}: give a number from 1 to {c - 1}."
        )
    return PrincipalComponents(
        vectors.T[::-1][:n_components],
        np.sqrt(values),
        indicator,
        float(error[n_components - 1]),
    )


def target_test(
    found: PrincipalComponents, reference: ArrayLike, noise: float | None = None
) -> TargetTest:
    """Test whether a reference lies in the span of principal components.

    Parameters
    ----------
    found : PrincipalComponents
        Components of a series of spectra.
    reference : array_like of shape (n_E,)
        Reference on the energies of the series.
    noise : float, optional
        Standard deviation of the noise of the reference; by default that of its second
        differences.

    Returns
    -------
    TargetTest
        Target transform, R factor, SPOIL and reduced chi-square.

    Raises
    ------
    ValueError
        If the reference is not on the energies, holds NaN or is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import principal_components, target_test
    >>> rng = np.random.default_rng(0)
    >>> energy = np.linspace(-1, 1, 50)
    >>> D = rng.dirichlet([1, 1], 30) @ [np.exp(energy), np.exp(-energy)]
    >>> D += rng.normal(0, 0.01, D.shape)
    >>> found = principal_components(D.T @ D, len(D))
    >>> target_test(found, np.exp(energy)).spoil < 3
    True
    >>> target_test(found, np.sin(9 * energy)).spoil > 6
    True
    """
    f = np.asarray(reference, dtype=float)
    if f.shape != found.components.shape[1:] or not np.isfinite(f).all():
        raise ValueError(
            f"The reference has the shape {f.shape}, expected "
            f"{found.components.shape[1:]} finite numbers."
        )
    if not f.any():
        raise ValueError("The reference is zero at all energies.")
    coefficients = found.components @ f
    transform = coefficients @ found.components
    residual = f - transform
    apparent = np.mean(residual**2)
    strength = found.singular_values[: len(coefficients)]
    t = coefficients / np.maximum(strength, np.finfo(float).tiny)
    from_series = found.real_error**2 * (t @ t)
    own = np.sqrt(max(apparent - from_series, 0.0))
    spoil = own / max(np.sqrt(from_series), np.finfo(float).tiny)
    sigma = scan_noise(f) if noise is None else float(noise)
    rounding = np.finfo(float).eps * np.abs(f).max()
    variance = sigma**2 + from_series + rounding**2
    freedom = max(len(f) - len(coefficients), 1)
    return TargetTest(
        transform,
        float(residual @ residual / (f @ f)),
        float(spoil),
        float(residual @ residual / (freedom * variance)),
    )

r"""Which references of a library a mixture consists of, by their evidence.

For a set of references the fractions are integrated over the simplex with a uniform
prior, and the noise over its scale with the prior :math:`1/\sigma`, both by Laplace's
approximation about the best fit,

.. math::

    \log p(y) = \log \Gamma(\tfrac{n - d}{2})
    - \tfrac{n - d}{2} \log(\pi \chi^2)
    - \tfrac12 \log\det H + \log d! + \text{const},

with d free fractions and their Gram matrix H. Sets of equal size are equally probable,
and so are all sizes.

References
----------
D. J. C. MacKay, Information Theory, Inference, and Learning Algorithms (Cambridge
University Press, 2003), chapter 28.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp

from sparsedecomp.decomposition.abundances import RowProblem
from sparsedecomp.xas.mixtures.fits import correlation_factor
from sparsedecomp.xas.mixtures.linear_combination import LinearCombination

MAX_SETS = 50_000
"""Largest number of sets that are compared; each takes some tens of microseconds."""

AT_ZERO = 1e-9
"""Fractions below this are zero, so that a smaller set says the same."""


class RankedSet(NamedTuple):
    """Set of references and how well it explains the spectra.

    Attributes
    ----------
    names : tuple of str
        Names of the references.
    probability : float
        Probability among all sets that were compared.
    log_evidence : float
        Logarithm of the evidence, summed over the spectra.
    r_factor : float
        Sum of the squared residuals over that of the squared data.
    fractions : numpy.ndarray of shape (k,)
        Mean fractions over the spectra.
    """

    names: tuple[str, ...]
    probability: float
    log_evidence: float
    r_factor: float
    fractions: np.ndarray


def rank_references(
    library: LinearCombination, mu: ArrayLike, max_references: int = 3
) -> list[RankedSet]:
    """Rank all sets of references of a library by their evidence.

    Parameters
    ----------
    library : LinearCombination
        References of the library, with the limits and constraints of the fit. Energy
        shifts are not fitted here.
    mu : array_like of shape (..., n_E)
        Spectra that all consist of the same references, in different fractions.
        Spectra that hold NaN are left out.
    max_references : int, default 3
        Largest number of references in a set.

    Returns
    -------
    list of RankedSet
        Sets, the most probable first. Sets with a reference whose fraction is zero in
        all spectra are left out: a smaller set says the same.

    Raises
    ------
    ValueError
        If there would be too many sets, or no spectrum without NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import LinearCombination, rank_references
    >>> energy = np.arange(7080.0, 7180.0)
    >>> edges = [np.arctan(energy - e) / np.pi + 0.5 for e in (7112, 7118, 7123)]
    >>> fit = LinearCombination(energy, [(energy, edge) for edge in edges])
    >>> noise = np.random.default_rng(0).normal(0, 0.005, 100)
    >>> rank_references(fit, 0.4 * edges[0] + 0.6 * edges[2] + noise)[0].names
    ('reference 1', 'reference 3')
    """
    spectra = np.asarray(mu, dtype=float).reshape(-1, len(library.energy))
    rows = spectra[:, library.inside]
    rows = rows[np.isfinite(rows).all(axis=-1)]
    if not len(rows):
        raise ValueError("All spectra hold NaN within the energies that are fitted.")
    sets = _sets(len(library.names), max_references)
    gram, products = library.columns.T @ library.columns, rows @ library.columns
    total = np.einsum("ij,ij->i", rows, rows)
    fits = [_fit(library, gram, products, total, chosen) for chosen in sets]
    kept = [number for number, (w, _) in enumerate(fits) if _is_used(w)]
    best = min(kept, key=lambda number: fits[number][1].sum())
    w, _ = fits[best]
    residual = rows - w @ library.columns[:, sets[best]].T
    # Correlated residuals are fewer independent numbers than there are energies.
    n_points = rows.shape[1] / correlation_factor(residual)
    scores = [
        _log_evidence(library, gram, sets[number], fits[number][1], n_points, rows)
        - np.log(_number_of_sets(len(library.names), len(sets[number])))
        for number in kept
    ]
    norm = logsumexp(scores)
    ranked = [
        RankedSet(
            tuple(library.names[index] for index in sets[number]),
            float(np.exp(score - norm)),
            float(score),
            float(fits[number][1].sum() / total.sum()),
            fits[number][0].mean(axis=0),
        )
        for number, score in zip(kept, scores, strict=True)
    ]
    return sorted(ranked, key=lambda one: -one.log_evidence)


def _sets(k: int, largest: int) -> list[list[int]]:
    largest = min(int(largest), k)
    if largest < 1:
        raise ValueError(f"max_references={largest}: give one or more.")
    number = sum(_number_of_sets(k, size) for size in range(1, largest + 1))
    if number > MAX_SETS:
        raise ValueError(
            f"There are {number} sets of up to {largest} of {k} references, at most "
            f"{MAX_SETS} are compared: lower max_references, or give fewer references."
        )
    return [
        list(chosen)
        for size in range(1, largest + 1)
        for chosen in itertools.combinations(range(k), size)
    ]


def _number_of_sets(k: int, size: int) -> int:
    return round(np.exp(gammaln(k + 1) - gammaln(size + 1) - gammaln(k - size + 1)))


def _fit(
    library: LinearCombination,
    gram: np.ndarray,
    products: np.ndarray,
    total: np.ndarray,
    chosen: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of a set and the sums of the squared residuals."""
    part = gram[np.ix_(chosen, chosen)]
    w = RowProblem.from_gram(part, library.constraint).solve(
        np.ascontiguousarray(products[:, chosen])
    )
    quadratic = np.einsum("ij,jk,ik->i", w, part, w)
    chi2 = total - 2 * np.einsum("ij,ij->i", w, products[:, chosen]) + quadratic
    # Differences of large numbers: exact spectra leave no more than their rounding.
    return w, np.maximum(chi2, np.finfo(float).eps * total)


def _is_used(w: np.ndarray) -> bool:
    return bool((np.abs(w).max(axis=0) > AT_ZERO).all())


def _log_evidence(
    library: LinearCombination,
    gram: np.ndarray,
    chosen: Sequence[int],
    chi2: np.ndarray,
    n_points: np.ndarray,
    rows: np.ndarray,
) -> float:
    """Log evidence of a set, summed over the spectra."""
    free = gram[np.ix_(chosen, chosen)]
    d = len(chosen)
    if library.sum_to_one:
        # Unknowns are all fractions but the last.
        steps = np.vstack([np.eye(d - 1), -np.ones(d - 1)])
        free, d = steps.T @ free @ steps, d - 1
    share = n_points / rows.shape[1]
    log_det = np.linalg.slogdet(free)[1] + d * np.log(share)
    nu = np.maximum(n_points - d, 1.0)
    values = (
        gammaln(nu / 2)
        - nu / 2 * np.log(np.pi * chi2 * share)
        - log_det / 2
        + gammaln(d + 1)
    )
    return float(values.sum())

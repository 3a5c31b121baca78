"""Table of the shells of a fit, with what is to be known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.xas.shells.mean_search import independent_points
from sparsedecomp.xas.shells.weight_limits import WeightLimits

if TYPE_CHECKING:
    from sparsedecomp.xas import SparseEXAFS

RARE = 0.005
"""Columns of the grid with a smaller mean inclusion probability are ignored in the
table: single Monte Carlo samples would otherwise join neighbouring shells."""

GAP = 3.5
"""Columns of the grid that are less than this many steps apart form one shell of the
table."""

RSTEP = 0.02
"""Step of R in angstrom for bases without one."""

FEWEST = 0.05
"""Shells with fewer atoms, which would be printed as none, are not listed."""

DETERMINED = 0.7
"""Probability below which a shell is not determined: the search found other fits of
similar evidence without it."""


def shell_table(
    fit: SparseEXAFS, n: np.ndarray, n_std: np.ndarray, inclusion: np.ndarray
) -> list[dict[str, Any]]:
    """Shells of one part, with adjacent columns of the grid summed.

    Parameters
    ----------
    fit : SparseEXAFS
        Fit of the part.
    n, n_std, inclusion : (n_pixels, m) arrays
        Atoms of each pixel and column, their standard deviations, and inclusion.

    Returns
    -------
    list of dict
        Rows of `SparseEXAFSResult.shells`, by distance.
    """
    s = fit.shells_
    total = np.nansum(n, axis=0)
    on_grid = (fit.method, fit.support) != ("evidence", "joint")
    gap = GAP * getattr(fit.basis, "rstep", RSTEP) if on_grid else 0
    probable = np.nanmean(inclusion, axis=0) > RARE if len(inclusion) else total > 0
    used = np.flatnonzero((total > 0) & probable & ~s.is_leakage)
    used = used[np.lexsort((s.r[used], s.labels[used]))]
    apart = (s.labels[used][1:] != s.labels[used][:-1]) | ~(np.diff(s.r[used]) < gap)
    groups = np.split(used, np.flatnonzero(apart) + 1) if len(used) else []
    low, high = fit.k_range_
    resolution = np.pi / (2 * (high - low))
    limits = WeightLimits(fit.basis.channels) if fit.model_ is not None else None
    nearest = _nearest_alike(fit, used)
    table = []
    for group in groups:
        weight = total[group] / total[group].sum()
        r = float(weight @ s.r[group])
        scatter = weight @ (s.r[group] - r) ** 2
        n_group = n[:, group].sum(axis=1)
        std_group = np.sqrt(np.sum(n_std[:, group] ** 2, axis=1))
        n_mean = float(np.nanmean(n_group))
        if n_mean < FEWEST:
            continue
        probability = float(weight @ s.probability[group])
        flags = []
        if probability < DETERMINED or n_mean < 2 * float(np.nanmean(std_group)):
            flags.append("not determined")
        channel = fit.basis.labels.index(str(s.labels[group[0]]))
        if limits is not None and n_mean > r**2 * limits.largest(channel, nearest):
            flags.append("too many atoms")
        if fit.method != "evidence":
            flags.append("exploration")
        table.append(
            {
                "element": str(s.labels[group[0]]),
                "R": r,
                "R_std": float(np.sqrt(weight @ s.r_std[group] ** 2 + scatter)),
                "R_low": r - resolution,
                "R_high": r + resolution,
                "N": n_mean,
                "N_std": float(np.nanmean(std_group)),
                "sigma2": float(weight @ s.sigma2[group]),
                "E0": float(weight @ s.e0[group]),
                "found": float(np.nanmean(inclusion[:, group].sum(axis=1).clip(0, 1))),
                "probability": probability,
                "flags": tuple(flags),
            }
        )
    return sorted(table, key=lambda shell: shell["R"])


def _nearest_alike(fit: SparseEXAFS, used: np.ndarray) -> float:
    """Distance of the nearest shell of the absorber's element; 0 if there is none."""
    absorber = getattr(fit.basis, "absorber", "")
    s = fit.shells_
    alike = [
        r
        for r, label in zip(s.r[used], s.labels[used], strict=True)
        if str(label).split(" via ")[0] == absorber
    ]
    return float(min(alike, default=0.0))


def fit_quality(fit: SparseEXAFS) -> dict[str, float]:
    """R factor, independent points and degrees of freedom of the mean spectrum.

    Parameters
    ----------
    fit : SparseEXAFS
        Fit of a part.

    Returns
    -------
    dict of str to float
        ``r_factor``, ``n_independent`` and ``degrees_of_freedom``.
    """
    n_independent = independent_points(fit.coordinates_)
    quality = {"r_factor": np.nan, "n_independent": n_independent}
    if fit.mean_fit_ is None or fit.model_ is None:
        return quality | {"degrees_of_freedom": np.nan}
    y, found = fit.mean_coordinates_, fit.mean_fit_
    _, spread = fit.model_.prior_of(len(found.channel_index))
    # Parameters that the data determine, not the prior.
    used = len(spread) - np.sum(np.diag(found.covariance) / spread**2)
    quality["r_factor"] = float(np.sum((y - found.prediction) ** 2) / np.sum(y**2))
    return quality | {"degrees_of_freedom": n_independent - float(used)}

"""Figures of EXAFS fits: chi(k), chi(R) and shells, the Lasso path, the posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.signals import SparseEXAFSResult
    from sparsedecomp.xas import SparseEXAFS

# Longest distance that is drawn, in angstrom.
_R_PLOTTED = 6.0


def plot_exafs_fit(
    result: SparseEXAFSResult,
    pixel: tuple[int, ...] | None = None,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw one pixel of a fit: k-weighted chi, |chi(R)|, and shells with error bars.

    Parameters
    ----------
    result : SparseEXAFSResult
        Result of ``s.exafs_sparse_fit(...)``.
    pixel : tuple of int, optional
        Indices in array order; the first pixel by default.
    axes : sequence of three matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The three axes.
    """
    from sparsedecomp.xas import transform_matrix

    row = new_axes(3) if axes is None else np.asarray(axes)
    pixel = pixel or (0,) * (result.n.ndim - 1)
    part = result.fits[result.labels[pixel]]
    k, power = part.coordinates_.k, part.kweight
    model = np.asarray(result.model()._data_aligned_with_axes[pixel])
    data = model + np.asarray(result.residual()._data_aligned_with_axes[pixel])
    low, high = part.k_range_
    r = np.arange(0, _R_PLOTTED, 0.03)
    T = transform_matrix(k, r, kmin=low, kmax=high, kweight=power)
    for chi, style, label in ((data, "-", "data"), (model, "--", "fit")):
        line = {"color": "black" if style == "-" else colour(1), "lw": 1.2}
        row[0].plot(k, chi * k**power, style, label=label, **line)
        row[1].plot(r, np.abs(T @ chi), style, label=label, **line)
    row[1].axvspan(part.rmin, part.rmax, color="0.93", zorder=0)
    unit = r"$\mathrm{\AA}$"
    row[0].set(
        xlabel=f"k (1/{unit})",
        ylabel=rf"$k^{{{power:g}}} \chi$ (1/{unit}$^{{{power:g}}}$)",
    )
    row[1].set(
        xlabel=f"R, not corrected ({unit})",
        ylabel=rf"$|\chi(R)|$ (1/{unit}$^{{{power + 1:g}}}$)",
    )

    n, n_std = np.asarray(result.n[pixel]), np.asarray(result.n_std[pixel])
    shells = [fit.shells_ for fit in result.fits]
    places = np.concatenate([s.r for s in shells])
    labels = np.concatenate([s.labels for s in shells])
    shown = (n > 0) & ~np.concatenate([s.is_leakage for s in shells])
    for i, label in enumerate(result.elements):
        chosen = shown & (labels == label)
        if chosen.any():
            row[2].errorbar(
                places[chosen],
                n[chosen],
                n_std[chosen],
                fmt="os^Dv"[i % 5],
                color=colour(i),
                capsize=3,
                label=label,
            )
            row[2].vlines(places[chosen], 0, n[chosen], colour(i))
    row[2].set(xlabel=f"R ({unit})", ylabel="N", xlim=(1, _R_PLOTTED))
    row[2].set_ylim(bottom=0)
    for ax in row:
        plain(ax, legend=ax is not row[1])
    return row


def plot_lasso_path(fit: SparseEXAFS, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """Draw the Lasso path of the mean spectrum and its cross-validation.

    Parameters
    ----------
    fit : SparseEXAFS
        Estimator fitted with ``method="lasso"``, such as one of the ``fits`` of a
        result.
    axes : sequence of two matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        Axes of the path and of the cross-validation.

    Raises
    ------
    ValueError
        If the fit was not made with the Lasso.
    """
    if fit.path_ is None:
        raise ValueError('This fit has no Lasso path: fit with method="lasso".')
    row = new_axes(2) if axes is None else np.asarray(axes)
    n = fit.path_ * fit.shells_.r**2
    for kind, label in enumerate(fit.basis.labels):
        own = n[:, (fit.shells_.labels == label) & (n.max(axis=0) > 0)]
        lines = row[0].plot(fit.ratios_, own, color=colour(kind), lw=0.8)
        for line in lines[:1]:
            line.set_label(label)
    row[0].set(ylabel="N of a column")
    check = fit.cross_validation_
    if check is not None:
        row[1].errorbar(
            check.ratios, check.mean, check.standard_error, fmt="ko-", capsize=2, ms=3
        )
        row[1].set(ylabel="error of the left-out data", yscale="log")
    for ax in row:
        ax.axvline(fit.ratios_[fit.chosen_], color="0.5", ls="--", label="chosen")
        ax.set(xscale="log", xlabel=r"$\lambda / \lambda_{\max}$")
        ax.invert_xaxis()
        plain(ax, legend=ax is row[0])
    return row


def plot_shell_posterior(
    result: SparseEXAFSResult,
    pixel: tuple[int, ...] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of a shell at each distance, for ``method="mcmc"``.

    Parameters
    ----------
    result : SparseEXAFSResult
        Result of ``s.exafs_sparse_fit(..., method="mcmc")``.
    pixel : tuple of int, optional
        Indices in array order; the first pixel by default.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with the probabilities.
    """
    ax = ax or new_axes()[0]
    pixel = pixel or (0,) * (result.n.ndim - 1)
    inclusion = np.asarray(result.inclusion[pixel])
    shells = result.fits[result.labels[pixel]].shells_
    for i, label in enumerate(result.elements):
        own = shells.labels == label
        if own.any() and inclusion[own].max() > 0.01:
            ax.vlines(shells.r[own], 0, inclusion[own], colour(i), label=label)
    ax.set(xlabel=r"R ($\mathrm{\AA}$)", ylabel="probability of a shell", ylim=(0, 1))
    plain(ax, legend=True)
    return ax

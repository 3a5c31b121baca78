"""EXAFS fits: chi(k), chi(R) and shells; the Lasso path; the posterior of shells."""

import numpy as np

_R_PLOTTED = 6.0


def plot_exafs_fit(result, pixel=None, axes=None):
    """Draw one pixel of a fit: k-weighted chi, |chi(R)|, and shells with error bars.

    Parameters
    ----------
    result : SparseEXAFSResult
        From ``s.exafs_sparse_fit(...)``.
    pixel : tuple of int, optional
        Indices in array order; the first pixel by default.
    axes : sequence of three matplotlib.axes.Axes, optional
        Where to draw; default: those of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
    """
    from sparsedecomp.xas import transform_matrix

    axes = _axes(axes, 3)
    pixel = pixel or (0,) * (result.n.ndim - 1)
    part = result.fits[result.labels[pixel]]
    k, power = part.coordinates_.k, part.kweight
    model = np.asarray(result.model()._data_aligned_with_axes[pixel])
    data = model + np.asarray(result.residual()._data_aligned_with_axes[pixel])
    low, high = part.k_range_
    r = np.arange(0, _R_PLOTTED, 0.03)
    T = transform_matrix(k, r, kmin=low, kmax=high, kweight=power)
    for chi, style, label in ((data, "k-", "data"), (model, "C3-", "fit")):
        axes[0].plot(k, chi * k**power, style, label=label, lw=1)
        axes[1].plot(r, np.abs(T @ chi), style, label=label, lw=1)
    axes[1].axvspan(part.rmin, part.rmax, color="0.93", zorder=0)
    unit = r"$\mathrm{\AA}$"
    axes[0].set(xlabel=f"k (1/{unit})", ylabel=rf"$k^{power} \chi$")
    axes[1].set(xlabel=f"R, not corrected ({unit})", ylabel=r"$|\chi(R)|$")
    axes[0].legend(frameon=False)

    n, n_std = np.asarray(result.n[pixel]), np.asarray(result.n_std[pixel])
    shells = [fit.shells_ for fit in result.fits]
    places = np.concatenate([s.r for s in shells])
    labels = np.concatenate([s.labels for s in shells])
    shown = (n > 0) & ~np.concatenate([s.is_leakage for s in shells])
    for i, label in enumerate(result.elements):
        of = shown & (labels == label)
        if of.any():
            axes[2].errorbar(
                places[of], n[of], n_std[of], fmt=f"C{i}o", capsize=3, label=label
            )
            axes[2].vlines(places[of], 0, n[of], f"C{i}")
    axes[2].set(xlabel=f"R ({unit})", ylabel="N", xlim=(1, _R_PLOTTED))
    axes[2].set_ylim(bottom=0)
    if shown.any():
        axes[2].legend(frameon=False)
    return axes


def plot_lasso_path(fit, axes=None):
    """Draw the Lasso path of the mean spectrum and its cross-validation.

    Parameters
    ----------
    fit : SparseEXAFS
        Fitted with ``method="lasso"``; one of the ``fits`` of a result.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw; default: those of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the fit was no Lasso.
    """
    if fit.path_ is None:
        raise ValueError('This fit has no Lasso path: fit with method="lasso".')
    axes = _axes(axes, 2)
    n = fit.path_ * fit.shells_.r**2
    for j in np.flatnonzero(n.max(axis=0) > 0):
        kind = list(fit.basis.labels).index(fit.shells_.labels[j])
        axes[0].plot(fit.ratios_, n[:, j], color=f"C{kind}", lw=0.8)
    axes[0].set(ylabel="N of a column")
    check = fit.cross_validation_
    if check is not None:
        axes[1].errorbar(
            check.ratios, check.mean, check.standard_error, fmt="ko-", capsize=2, ms=3
        )
        axes[1].set(ylabel="error of what was left out", yscale="log")
    for ax in axes:
        ax.axvline(fit.ratios_[fit.chosen_], color="C3", ls="--")
        ax.set(xscale="log", xlabel=r"$\lambda / \lambda_{\max}$")
        ax.invert_xaxis()
    return axes


def plot_shell_posterior(result, pixel=None, ax=None):
    """Draw the probability of a shell at each distance, for ``method="mcmc"``.

    Parameters
    ----------
    result : SparseEXAFSResult
    pixel : tuple of int, optional
        Indices in array order; the first pixel by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = _axes(None if ax is None else [ax], 1)[0]
    pixel = pixel or (0,) * (result.n.ndim - 1)
    inclusion = np.asarray(result.inclusion[pixel])
    shells = result.fits[result.labels[pixel]].shells_
    for i, label in enumerate(result.elements):
        of = shells.labels == label
        if of.any() and inclusion[of].max() > 0.01:
            ax.vlines(shells.r[of], 0, inclusion[of], f"C{i}", label=label)
    ax.set(xlabel=r"R ($\mathrm{\AA}$)", ylabel="probability of a shell", ylim=(0, 1))
    ax.legend(frameon=False)
    return ax


def _axes(axes, count):
    if axes is not None:
        return np.asarray(axes)
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(4 * count, 3.2), layout="constrained")
    return np.atleast_1d(figure.subplots(1, count))

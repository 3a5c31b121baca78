"""How close few coefficients of several bases come to data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.extension.sparsity import Sparsity


def plot_sparsity(report: Sparsity, ax: Axes | None = None) -> Axes:
    """Draw the peak signal-to-noise ratio over the numbers that are kept.

    Parameters
    ----------
    report : sparsedecomp.extension.sparsity.Sparsity
        Result of ``s.sparsity()``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> from sparsedecomp.plotting import plot_sparsity
    >>> s = hs.signals.Signal2D(np.indices((32, 32)).sum(axis=0) / 9.0)
    >>> plot_sparsity(s.sparsity()).get_ylabel()
    'peak signal-to-noise ratio (dB)'
    """
    drawn = new_axes()[0] if ax is None else ax
    for k, (name, psnr) in enumerate(report.psnr.items()):
        shares = [100 * share for share in psnr]
        drawn.plot(shares, list(psnr.values()), "o-", color=colour(k), label=name)
    drawn.set_xscale("log")
    drawn.set(xlabel="numbers kept (%)", ylabel="peak signal-to-noise ratio (dB)")
    plain(drawn, legend=True)
    return drawn

"""Figure of the dose at which components are still found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import line_of, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.decomposition.dose import DosePlan


def plot_dose_plan(plan: DosePlan, ax: Axes | None = None) -> Axes:
    """Draw the angles of the spectra from those of all counts, over the dose.

    Parameters
    ----------
    plan : sparsedecomp.decomposition.dose.DosePlan
        Result of ``s.dose_plan()``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with logarithmic scales: a line through the means of the repetitions for
        each component, a point for each of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition.dose import DosePlan
    >>> from sparsedecomp.plotting import plot_dose_plan
    >>> angles = np.array([[[2.0, 3.0]], [[5.0, 20.0]]])
    >>> fractions, found = np.array([0.5, 0.25]), np.array([[2], [1]])
    >>> plan = DosePlan(2, fractions, 80.0, angles, found, 10.0)
    >>> plot_dose_plan(plan).get_xscale()
    'log'
    """
    ax = ax or new_axes()[0]
    dose = plan.fractions * plan.counts_per_pixel
    # A spectrum that is the same to the last digit has a place on the axis, too.
    angles = np.maximum(plan.angles, 1e-3)
    for k in range(plan.n_components):
        style = line_of(k)
        ax.plot(dose, angles[:, :, k].mean(axis=1), label=f"component {k}", **style)
        ax.plot(
            np.repeat(dose, angles.shape[1]), angles[:, :, k].ravel(), ".",
            color=style["color"],
        )  # fmt: skip
    ax.axhline(plan.tolerance, color="0.5", linestyle=":", label="tolerance")
    if plan.smallest < 1:
        ax.axvline(
            plan.smallest * plan.counts_per_pixel, color="0.5", label="smallest dose"
        )
    ax.set(
        xscale="log", yscale="log", xlabel="counts per pixel",
        ylabel="angle to the spectrum of all counts (°)",
    )  # fmt: skip
    ax.set_title(
        f"{plan.smallest:.3g} of the dose, {plan.n_components} components",
        loc="left",
        fontsize="medium",
    )
    plain(ax, legend=True)
    return ax

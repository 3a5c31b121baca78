"""Planned shifts: where samples fall, and the noise at every frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.plotting.style import colour, colour_bar, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sparsedecomp.superresolution import Plan


def plot_plan(plan: Plan, axes: Sequence[Axes] | None = None) -> NDArray:
    """Draw the shifts within one step, and the noise of the map by frequency.

    Frequencies that come from the prior in part are grey; where all do, that part is
    drawn in the place of the noise.

    Parameters
    ----------
    plan : sparsedecomp.superresolution.Plan
        Plan by `sparsedecomp.plan_shifts`.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The two axes.

    Examples
    --------
    >>> from sparsedecomp import plan_shifts
    >>> from sparsedecomp.plotting import plot_plan
    >>> plan = plan_shifts(500, [(0, 0), (0, 200), (200, 0)], propose=False)
    >>> plot_plan(plan)[1].get_title(loc="left")
    'rank 108 of 225'
    """
    from matplotlib.ticker import MaxNLocator

    places, spectrum = new_axes(2) if axes is None else axes
    y, x = (plan.shifts % plan.step).T
    places.scatter(x, y, marker="o", color=colour(0), label="as planned")
    if plan.proposal is not None:
        y, x = (plan.proposal.shifts % plan.step).T
        places.scatter(x, y, marker="x", color=colour(1), label="better")
        places.legend(fontsize="small")
    places.set(
        xlim=(-0.05 * plan.step, plan.step),
        ylim=(-0.05 * plan.step, plan.step),
        xlabel="shift of columns",
        ylabel="shift of rows",
        aspect="equal",
    )
    places.set_title("within one step", loc="left")
    plain(places)
    known = np.where(np.isfinite(plan.by_frequency), plan.by_frequency, np.nan)
    half = 0.5 * (plan.frequencies[1] - plan.frequencies[0])
    edges = plan.frequencies[0] - half, plan.frequencies[-1] + half
    spectrum.set_facecolor("0.85")
    label = "noise over that of a sample"
    options: dict[str, Any] = {}
    if np.isnan(known).all():
        known, label = plan.from_prior, "part from the prior alone"
        options = {"vmin": 0, "vmax": 1}
    image = spectrum.imshow(
        known, origin="lower", extent=(*edges, *edges), cmap="viridis", **options
    )
    colour_bar(image, label)
    for axis in (spectrum.xaxis, spectrum.yaxis):
        axis.set_major_locator(MaxNLocator(3))
    spectrum.set(xlabel="frequency along columns", ylabel="along rows")
    spectrum.set_title(f"rank {plan.rank} of {plan.n_unknowns}", loc="left")
    return np.array([places, spectrum])

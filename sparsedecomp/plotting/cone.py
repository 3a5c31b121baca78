"""Figure of the cone of non-negative spectra that hold the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.decomposition import SSSVCA


def plot_cone(model: SSSVCA, n_samples: int = 1000, ax: Axes | None = None) -> Axes:
    """Draw the inner and the outer body of an unmixing and the spectra between them.

    The figure shows the slice of the cone at equal total intensity, projected onto its
    two widest directions.

    Parameters
    ----------
    model : sparsedecomp.decomposition.SSSVCA
        Fitted estimator with at least three components.
    n_samples : int, default 1000
        Number of spectra drawn uniformly from the cone.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with one group of points for each body and for the cone.

    Raises
    ------
    ValueError
        If there are fewer than three components, whose cone has one direction only.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import SSSVCA
    >>> from sparsedecomp.plotting import plot_cone
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 200)
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> model = SSSVCA(3, random_state=0).fit(shares @ spectra)
    >>> len(plot_cone(model, 100).collections)
    3
    """
    if model.n_components_ < 3:
        raise ValueError(
            f"The model has {model.n_components_} components, expected at least 3: "
            "the cone of fewer is a line, which `band_` describes."
        )
    ax = ax or new_axes()[0]
    samples = model.cone_.sample(n_samples, 0) @ model.signal_space_
    clouds: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "allowed by non-negativity": (samples, {"s": 3, "color": "0.75"}),
        "outer body": (model.components_, {"s": 50, "color": colour(1), "marker": "^"}),
        "inner body": (model.inner_, {"s": 40, "color": colour(0)}),
    }
    centre = samples.mean(axis=0)
    plane = np.linalg.svd(samples - centre, full_matrices=False)[2][:2]
    for label, (spectra, style) in clouds.items():
        shares = spectra / spectra.sum(axis=1, keepdims=True)
        ax.scatter(*(plane @ (shares - centre).T), label=label, **style)
    ax.set(xlabel="widest direction", ylabel="second direction")
    ax.set_title("spectra of unit sum", loc="left", fontsize="medium")
    plain(ax, legend=True)
    return ax

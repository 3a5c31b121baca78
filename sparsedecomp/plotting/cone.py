"""The cone of all spectra that are nowhere negative, the pixels inside of it."""

import numpy as np


def plot_cone(model, n_samples=1000, ax=None):
    """Draw what the data leave open: inner and outer body, and spectra in between.

    The slice of the cone at one total intensity, seen along its two widest directions.

    Parameters
    ----------
    model : sparsedecomp.decomposition.SSSVCA
        Fitted, with at least three components.
    n_samples : int, default 1000
        Spectra drawn evenly from the cone.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For fewer than three components, whose cone has no two directions.

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
            "the cone of fewer is a line, and `band_` says all."
        )
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(layout="constrained").subplots()
    samples = model.cone_.sample(n_samples, 0) @ model.signal_space_
    clouds = {
        "allowed by non-negativity": (samples, {"s": 3, "color": "0.75"}),
        "outer body": (model.components_, {"s": 50, "color": "C3", "marker": "^"}),
        "inner body": (model.inner_, {"s": 40, "color": "C0"}),
    }
    centre = samples.mean(axis=0)
    plane = np.linalg.svd(samples - centre, full_matrices=False)[2][:2]
    for label, (spectra, style) in clouds.items():
        shares = spectra / spectra.sum(axis=1, keepdims=True)
        ax.scatter(*(plane @ (shares - centre).T), label=label, **style)
    ax.set(xlabel="widest direction", ylabel="second direction")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax

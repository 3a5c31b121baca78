"""Component maps and spectra side by side, with the truth where it is known."""

import numpy as np

from sparsedecomp.extension.learning_results import matrices


def plot_components(signal, *, truth=None, labels=None, figure=None):
    """Draw the map and the spectrum of every component of a decomposed signal.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        A signal after ``decomposition``, with at most two navigation and two signal
        axes.
    truth : sparsedecomp.datasets.Truth, optional
        True ``spectra`` (k, channels), ``maps`` (..., k) and ``names``. Components
        are paired with the truth by their spectra; a true map is drawn beside the
        map found, a true spectrum dashed over the one found. As the data fix only the
        product of map and spectrum, each pair is shown on the truth's scale.
    labels : sequence of str, optional
        One per component, in the order of the components; default: their numbers,
        or the names and angles of the truth.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Where to draw; default: a new figure.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        One row per component: map, spectrum; with truth: map, true map, spectrum.

    Raises
    ------
    ValueError
        If the signal is not decomposed or has too many axes to draw.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np
    >>> from sparsedecomp.plotting import plot_components
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 2)) @ rng.random((2, 40)))
    >>> s.decomposition(algorithm="nmf_so", output_dimension=2, print_info=False)
    >>> plot_components(s).shape
    (2, 2)
    """
    maps, spectra = _components(signal)
    known = _pair_with_truth(truth, maps, spectra) if truth is not None else {}
    if figure is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(9, 1.8 * len(maps)), layout="constrained")
    n_maps = 2 if truth is not None else 1
    grid = figure.subplots(
        len(maps), n_maps + 1, squeeze=False, width_ratios=[1] * n_maps + [2.4]
    )
    places, channels = (
        signal.axes_manager.navigation_axes,
        signal.axes_manager.signal_axes,
    )
    for j, row in enumerate(grid):
        colour, label = f"C{j % 10}", f"component {j}"
        _draw(row[0], maps[j], places, colour)
        _draw(row[-1], spectra[j], channels, colour)
        if j in known:
            true_map, true_spectrum, label = known[j]
            _draw(row[1], true_map, places, colour)
            _draw(row[-1], true_spectrum, channels, "black", linestyle=":")
        elif truth is not None:
            row[1].set_axis_off()
        row[-1].set_title(labels[j] if labels else label, loc="left", fontsize="medium")
        row[-1].set_yticks([])
        # Units once: at the lower left map and the lowest spectrum.
        for ax in row[1:-1] if j == len(maps) - 1 else row:
            ax.set(xlabel="", ylabel="")
            ax.tick_params(bottom=False, labelbottom=False, left=False, labelleft=False)
    titles = ("map",) if truth is None else ("found", "true")
    for ax, title in zip(grid[0], titles, strict=False):
        ax.set_title(title, fontsize="medium")
    return grid


def _components(signal):
    """Copies of the maps (k, *navigation) and spectra (k, *channels), as floats."""
    found, axes = matrices(signal), signal.axes_manager
    if found is None:
        raise ValueError(f"{signal} has no components: run s.decomposition(...) first")
    if axes.navigation_dimension > 2 or axes.signal_dimension > 2:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes; at most two of each can be drawn"
        )
    spectra, maps = (np.array(matrix, dtype=float).T for matrix in found)
    return (
        maps.reshape(-1, *axes._navigation_shape_in_array),
        spectra.reshape(-1, *axes._signal_shape_in_array),
    )


def _pair_with_truth(truth, maps, spectra):
    """Component -> (true map, true spectrum, label); rescales those found in place."""
    from sparsedecomp.metrics import match_components

    flat = spectra.reshape(len(spectra), -1)
    known = {}
    for i, j, angle in zip(*match_components(truth.spectra, flat), strict=True):
        scale = (flat[j] @ truth.spectra[i]) / (flat[j] @ flat[j])
        spectra[j] *= scale
        maps[j] /= scale
        label = f"{truth.names[i]}, {angle:.1f}° off"
        known[j] = truth.maps[..., i], truth.spectra[i], label
    return known


def _draw(ax, values, axes, colour, **line):
    """One quantity over its HyperSpy axes: a line over one, an image over two."""
    if len(axes) == 1:
        (x,) = axes
        ax.plot(x.axis, values, color=colour, linewidth=1, **line)
        ax.set(xlabel=_label(x), xlim=(x.axis[0], x.axis[-1]), ylim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
        return
    from matplotlib.colors import LinearSegmentedColormap

    x, y = axes
    ax.imshow(
        values,
        cmap=LinearSegmentedColormap.from_list(colour, ["white", colour]),
        vmin=0,
        extent=(x.axis[0], x.axis[-1], y.axis[-1], y.axis[0]),
    )
    ax.set(xlabel=_label(x), ylabel=_label(y))


def _label(axis):
    """Name and units, as far as they are known."""
    name, units = (v if isinstance(v, str) else "" for v in (axis.name, axis.units))
    return f"{name} ({units})" if units else name

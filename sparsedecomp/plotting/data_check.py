"""Figure of a data check: mean image and mean spectrum, with the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.canvas import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..noise import DataCheck

# Findings about channels; all others are about pixels.
_CHANNELS = ("dead_channels", "hot_channels")


def plot_data_check(
    check: DataCheck, axes: tuple[Axes, Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw the intensity of the pixels and the mean spectrum, with the findings.

    Parameters
    ----------
    check : sparsedecomp.noise.DataCheck
        Result of ``s.check_data()``.
    axes : tuple of two matplotlib.axes.Axes, optional
        Axes for the image and the spectrum; by default those of a new figure.

    Returns
    -------
    tuple of two matplotlib.axes.Axes
        Axes of the image and of the spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.noise import check_data
    >>> from sparsedecomp.plotting import plot_data_check
    >>> counts = np.random.default_rng(0).poisson(20.0, (8, 8, 50))
    >>> image, spectrum = plot_data_check(check_data(as_blocks(counts), 1.0))
    >>> spectrum.get_xlabel()
    'channel'
    """
    image, spectrum = new_axes(2, width_ratios=(1, 1.4)) if axes is None else axes
    plane = check.intensity.reshape(-1, check.intensity.shape[-1])
    drawn = image.imshow(plane, aspect="auto" if len(plane) == 1 else "equal")
    image.figure.colorbar(drawn, ax=image, label="intensity")
    image.set(xlabel="x (pixels)", ylabel="y (pixels)")
    spectrum.plot(check.channels, check.mean_spectrum, color="0.3", lw=1)
    spectrum.set(xlabel="channel", ylabel="mean intensity")
    spectrum.spines[["top", "right"]].set_visible(False)
    for number, finding in enumerate(check.findings):
        color = f"C{number + 1}"
        label = finding.kind.replace("_", " ")
        if finding.kind in _CHANNELS:
            at = np.searchsorted(check.channels, finding.places)
            heights = check.mean_spectrum[at]
            spectrum.plot(
                finding.places, heights, "o", mfc="none", c=color, label=label
            )
        elif 0 < len(finding.places) < check.intensity.size // 2:
            y, x = np.divmod(finding.places, plane.shape[1])
            image.plot(x, y, "s", mfc="none", ms=4, c=color, label=label)
    for ax in (image, spectrum):
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="upper right", fontsize="small")
    kinds = ", ".join(f.kind.replace("_", " ") for f in check.findings) or "nothing"
    image.set_title(f"found: {kinds}", loc="left", fontsize="medium")
    return image, spectrum

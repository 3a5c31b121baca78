"""What a model of maps times spectra leaves of the data, measured by the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsedecomp.noise.scree import noise_edge
from sparsedecomp.noise.weights import weigh

# Directions looked at beyond the components.
_SPARE = 10
# Correlation of neighbouring channels that detectors with crosstalk reach, not noise.
_CORRELATED = 0.05


@dataclass(frozen=True)
class ResidualAnalysis:
    """The residual, in units of the noise.

    Attributes
    ----------
    n_directions : int
        Singular values of the residual above the largest that noise alone has.
    strength : float
        The largest of them over that of the noise, both squared.
    spectrum : (n_channels,) array
        The strongest spectrum that is left, of unit norm.
    map : (n_pixels,) array
        How much of it each pixel holds, in the units of the data.
    pixel_excess, channel_excess : (n_pixels,) and (n_channels,) arrays
        Mean square residual of each pixel and channel over that of the noise.
    excess : float
        The same for all entries.
    correlation : float
        Between the residuals of neighbouring channels.
    noise_model : str
        What the noise was taken for, see `NMFSOARD`.
    noise_variance : float
        Of an entry, in the scaling that makes the noise even.
    clipped : bool
        Negative noise was set to zero before the data were given.
    """

    n_directions: int
    strength: float
    spectrum: np.ndarray
    map: np.ndarray
    pixel_excess: np.ndarray
    channel_excess: np.ndarray
    excess: float
    correlation: float
    noise_model: str
    noise_variance: float
    clipped: bool

    @property
    def white(self):
        """Whether nothing is left but noise that knows nothing of its neighbours."""
        return self.n_directions == 0 and abs(self.correlation) <= _CORRELATED

    @property
    def verdict(self):
        """One sentence."""
        if self.white:
            return "What is left is noise."
        if self.n_directions:
            text = f"The model leaves {self.n_directions} more " + (
                "direction" if self.n_directions == 1 else "directions"
            )
            text += f" than noise has, the first {self.strength:.3g} times as strong"
            if self.clipped:
                text += " (the noise was cut off at zero, and its mean is part of it)"
            return text + "."
        return (
            "The residuals of neighbouring channels are correlated "
            f"({self.correlation:.2f}): the noise is smoother than counts are, or "
            "peaks shift."
        )

    def __str__(self):
        return (
            f"{self.verdict} Noise: {self.noise_model}; mean square residual "
            f"{self.excess:.3g} times that of the noise, correlation of neighbouring "
            f"channels {self.correlation:.3f}."
        )


def analyse_residual(blocks, components, maps, random_state=None):
    """Look at what a model leaves of the data.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
    components : (k, n_channels) array
    maps : (n_pixels, k) array
    random_state : int or Generator, optional

    Returns
    -------
    ResidualAnalysis
        After four or five passes over the data.
    """
    k = len(components)
    data = weigh(blocks, k + _SPARE, random_state=random_state)
    W = np.asarray(maps, float) / data.row_scale[:, None]
    H = np.asarray(components, float) / data.column_scale
    low = data.low_rank
    n, m = blocks.shape
    noise = max(low.noise_variance, np.finfo(float).tiny)

    # The residual in the leading directions of the data, where all that is above the
    # noise must be.
    inside = low.scores - W @ (H @ low.basis)
    gram = inside.T @ inside
    squares, axes = np.linalg.eigh(gram)
    edge = noise_edge(noise, n, m)
    spectrum = (low.basis @ axes[:, -1]) * data.column_scale
    norm = np.linalg.norm(spectrum)
    sign = np.sign(spectrum.sum()) or 1.0

    (pixels,), (channels, products, squared) = data.blocks.run(
        _residual_rows, rows=(W,), shared=(H,)
    )
    return ResidualAnalysis(
        n_directions=int(np.count_nonzero(squares > edge)),
        strength=float(squares[-1] / edge),
        spectrum=sign * spectrum / norm,
        map=sign * norm * (inside @ axes[:, -1]) * data.row_scale,
        pixel_excess=pixels / (m * noise),
        channel_excess=channels / (n * noise),
        excess=float(squared / (n * m * noise)),
        correlation=float(products / squared) if squared > 0 else 0.0,
        noise_model=data.noise_model,
        noise_variance=float(noise),
        clipped=data.clipped,
    )


def _residual_rows(X, W, H):
    dense = X.toarray() if hasattr(X, "toarray") else X
    R = dense - W @ H
    pixels = np.einsum("ij,ij->i", R, R)
    products = np.einsum("ij,ij->", R[:, :-1], R[:, 1:])
    return (pixels,), (np.einsum("ij,ij->j", R, R), products, pixels.sum())

"""Analysis of the residual of maps times spectra, in units of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise import noise_edge, whiten

# Singular directions examined beyond the number of components, as in the compression.
_OVERSAMPLING = 10
# Correlation of neighbouring channels above which the residual is not called white.
# Detectors with crosstalk exceed it; independent noise of 1e4 entries has 0.01.
_CORRELATED = 0.05


@dataclass(frozen=True)
class ResidualAnalysis:
    """The data minus the model, in units of the noise.

    Attributes
    ----------
    n_directions : int
        Number of singular values of the residual above the edge of white noise.
    strength : float
        Largest squared singular value of the residual, divided by that edge.
    spectrum : (n_channels,) array
        Strongest spectrum in the residual, of unit norm.
    map : (n_pixels,) array
        Amount of this spectrum in each pixel, in the units of the data.
    pixel_excess : (n_pixels,) array
        Mean square residual of each pixel, divided by the noise variance.
    channel_excess : (n_channels,) array
        Mean square residual of each channel, divided by the noise variance.
    excess : float
        Mean square residual of all entries, divided by the noise variance.
    correlation : float
        Correlation coefficient of the residuals of neighbouring channels.
    noise_model : str
        Noise model that the data were whitened by, see `NMFSOARD`.
    noise_variance : float
        Variance of an entry of the whitened data.
    clipped : bool
        Whether negative noise was set to zero before the data were given.
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
    def white(self) -> bool:
        """Whether the residual is white noise: no structure and no correlation."""
        return self.n_directions == 0 and abs(self.correlation) <= _CORRELATED

    @property
    def verdict(self) -> str:
        """One sentence on what the residual contains."""
        if self.white:
            return "The residual is white noise."
        if self.n_directions:
            noun = "direction" if self.n_directions == 1 else "directions"
            text = (
                f"The residual has {self.n_directions} {noun} above the noise, the "
                f"strongest {self.strength:.3g} times as strong as noise can be"
            )
            if self.clipped:
                text += " (the mean of noise that was clipped at zero is part of it)"
            return text + "."
        return (
            "The residuals of neighbouring channels are correlated "
            f"({self.correlation:.2f}): the detector smooths its noise, or peaks "
            "shift between pixels."
        )

    def __str__(self) -> str:
        return (
            f"{self.verdict} Noise: {self.noise_model}; mean square residual "
            f"{self.excess:.3g} times that of the noise, correlation of neighbouring "
            f"channels {self.correlation:.3f}."
        )


def analyse_residual(
    blocks: BlockMatrix,
    components: np.ndarray,
    maps: np.ndarray,
    random_state: int | np.random.Generator | None = None,
) -> ResidualAnalysis:
    """Compare the residual of a model with the noise of the data.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_pixels, n_channels)
        The data.
    components : (k, n_channels) array
        Spectra of the model.
    maps : (n_pixels, k) array
        Maps of the model.
    random_state : int or Generator, optional
        Seed of the randomised compression.

    Returns
    -------
    ResidualAnalysis
        The figures, after four or five passes over the data.
    """
    k = len(components)
    data = whiten(blocks, k + _OVERSAMPLING, random_state=random_state)
    W = np.asarray(maps, float) / data.noise.row_scale[:, None]
    H = np.asarray(components, float) / data.noise.column_scale
    compressed = data.low_rank
    n, m = blocks.shape
    noise = data.noise_variance()

    # Structure above the noise lies in the leading singular directions of the data, so
    # the residual is analysed there.
    residual_scores = compressed.scores - W @ (H @ compressed.basis)
    gram = residual_scores.T @ residual_scores
    squares, axes = np.linalg.eigh(gram)
    edge = noise_edge(noise, n, m)
    spectrum = (compressed.basis @ axes[:, -1]) * data.noise.column_scale
    norm = np.linalg.norm(spectrum)
    sign = np.sign(spectrum.sum()) or 1.0

    (pixels,), (channels, products, squared) = data.blocks.run(
        _residual_rows, rows=(W,), shared=(H,)
    )
    return ResidualAnalysis(
        n_directions=int(np.count_nonzero(squares > edge)),
        strength=float(squares[-1] / edge),
        spectrum=sign * spectrum / norm,
        map=sign * norm * (residual_scores @ axes[:, -1]) * data.noise.row_scale,
        pixel_excess=pixels / (m * noise),
        channel_excess=channels / (n * noise),
        excess=float(squared / (n * m * noise)),
        correlation=float(products / squared) if squared > 0 else 0.0,
        noise_model=data.noise.kind,
        noise_variance=float(noise),
        clipped=data.noise.clipped,
    )


def _residual_rows(X, W, H):
    """Squares of the residual by pixel and channel; products of neighbours."""
    dense = X.toarray() if hasattr(X, "toarray") else X
    residual = dense - W @ H
    pixels = np.einsum("ij,ij->i", residual, residual)
    products = np.einsum("ij,ij->", residual[:, :-1], residual[:, 1:])
    channels = np.einsum("ij,ij->j", residual, residual)
    return (pixels,), (channels, products, pixels.sum())

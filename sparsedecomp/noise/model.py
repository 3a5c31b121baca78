"""The noise model of a data set: found once, used by every method."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.compression import random_basis
from sparsedecomp.blocks.summary import (
    Summary,
    poisson_column_scale,
    poisson_row_scale,
)
from sparsedecomp.noise.binned_spectrum import (
    BinnedSpectrum,
    bins_of_counts,
    effective_pixels,
    gram_and_expectation,
)
from sparsedecomp.noise.count_statistics import (
    CountsWithOffset,
    counts_with_offset,
    gain_of,
    unit_of,
)
from sparsedecomp.noise.estimation import estimated_spectrum, is_clipped, uniform_bins
from sparsedecomp.noise.scree import elbow

_logger = logging.getLogger(__name__)

NOISE_MODELS = ("auto", "uniform", "poisson", "estimated")
N_BINS = 256
# A bin of channels holds at least so many counts of all pixels together: with fewer,
# single counts look like components. With few pixels, so many counts in each are
# enough, since they are nearly Gaussian.
_LEAST_COUNTS, _GAUSSIAN = 1500, 10
# Weights are products of a factor of the pixel and one of the channel, so the variance
# of whitened counts is known to about this factor.
_KNOWN = 1.05
# A pixel whose noise is larger than the median by this factor counts as a bad one.
_LOUDEST = 3.0


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """What the noise of a data set is, and the scales that whiten it.

    It compares equal to models of the same kind, and to the name of the kind.

    Attributes
    ----------
    kind : {"poisson", "uniform", "estimated"}
        Counts, noise of one variance, or variances estimated for each pixel and
        channel.
    row_scale : (n_pixels,) array
        Whitened entries are those of the data divided by this and `column_scale`;
        both have a mean square of about one.
    column_scale : (n_channels,) array
        The same for channels.
    gain : float
        Size of one count in the units of the data, for counts; else 0.
    clipped : bool
        Negative noise was set to zero before the data were given.
    summary : Summary
        Summary of the data as they were given.
    spectrum : BinnedSpectrum
        Squared singular values of the whitened data, in bins of channels.
    elbow : int
        Number of components before the elbow of the singular values, for data that are
        no counts; else 0.
    offset_counts : CountsWithOffset or None
        The line on which the variances of the channels rise with their means, for data
        whose noise is estimated because it is not proportional to the mean.
    """

    kind: str
    row_scale: NDArray
    column_scale: NDArray
    gain: float
    clipped: bool
    summary: Summary
    spectrum: BinnedSpectrum
    elbow: int = 0
    offset_counts: CountsWithOffset | None = None

    def __eq__(self, other: object) -> bool:
        return self.kind == str(other)

    def __hash__(self) -> int:
        return hash(self.kind)

    def __str__(self) -> str:
        return self.kind

    def __repr__(self) -> str:
        return f"<NoiseModel: {self.description}>"

    @property
    def description(self) -> str:
        """What the noise is, in words."""
        about = {
            "poisson": f"counts with the noise of Poisson, gain {self.gain:.3g}",
            "uniform": "noise of one variance",
            "estimated": "noise estimated for each pixel and channel",
        }[self.kind]
        if self.offset_counts is not None:
            about += f", that of {self.offset_counts}"
        clipped = ", negative values set to zero" if self.clipped else ""
        return f"{about}{clipped}; variance {self.variance:.3g}"

    @property
    def counts(self) -> bool:
        """Whether the data are counts."""
        return self.kind == "poisson"

    @property
    def structured(self) -> bool:
        """Whether no edge divides signal and noise, for data that are no counts."""
        return not self.counts and self.spectrum.structured

    @cached_property
    def n_components(self) -> int:
        """Number of components, not checked with counts that are drawn."""
        if self.structured:
            return self.elbow
        return self.spectrum.above_noise()[0]

    @cached_property
    def variance(self) -> float:
        """Variance of the noise of a whitened entry.

        Known for counts, else what the components above the noise leave of the bins.
        """
        m = len(self.column_scale)
        if not self.counts:
            return self.spectrum.above_noise()[1] * len(self.spectrum.starts) / m
        rows = self.summary.row_sums / np.square(self.row_scale)
        full = np.count_nonzero(self.summary.column_sums)
        return float(self.gain * rows.mean() * full / m**2)

    @property
    def mean_scale(self) -> float:
        """Mean variance of an entry of the data over that of a whitened entry."""
        scales = self.row_scale, self.column_scale
        return float(np.prod([np.mean(np.square(scale)) for scale in scales]))

    def row_scale_of(self, summary: Summary) -> NDArray:
        """Scales of the pixels of other data, by the same noise model.

        Parameters
        ----------
        summary : Summary
            Summary of the other data.

        Returns
        -------
        (n_pixels,) array
            From the counts of the pixels; 1 for data that are no counts.
        """
        if not self.counts:
            return np.ones(len(summary.row_sums))
        return poisson_row_scale(summary.row_sums, self.summary.row_sums.mean())

    def whiten(self, blocks: BlockMatrix) -> BlockMatrix:
        """Scale the data so that their noise has the same variance everywhere.

        Parameters
        ----------
        blocks : BlockMatrix
            The data that the model was found from.

        Returns
        -------
        BlockMatrix
            `blocks` itself where the noise is uniform.
        """
        if self.kind == "uniform":
            return blocks
        return blocks.scaled(self.row_scale, self.column_scale)

    def with_loud_pixels(self) -> NoiseModel:
        """The model that leaves bad pixels loud, so that they are found as outliers.

        Returns
        -------
        NoiseModel
            Estimated scales of pixels are cut at three times their median.
        """
        if self.kind != "estimated":
            return self
        most = _LOUDEST * np.median(self.row_scale)
        return replace(self, row_scale=np.minimum(self.row_scale, most))

    def start_basis(self, rank: int, generator: np.random.Generator) -> NDArray:
        """Directions of the channels to start a compression of whitened data from.

        Parameters
        ----------
        rank : int
            Number of directions.
        generator : numpy.random.Generator
            Draws those that the bins do not show.

        Returns
        -------
        (n_channels, rank) array
            Orthonormal columns.
        """
        spectrum, m = self.spectrum, len(self.column_scale)
        vectors = spectrum.vectors[:, :rank] / spectrum.bin_scale[:, None]
        width = np.diff(np.append(spectrum.starts, m))
        basis = np.repeat(vectors, width, axis=0) * self.column_scale[:, None]
        more = random_basis(m, rank, generator)[:, vectors.shape[1] :]
        return np.linalg.qr(np.hstack([basis, more]))[0]


def find_noise(
    blocks: BlockMatrix,
    noise: str = "auto",
    *,
    clipping: str | bool = "auto",
    n_bins: int = N_BINS,
) -> NoiseModel:
    """Find the noise model of a data set, once.

    Counts take two passes: their variance follows from the sums of pixels and channels
    (Keenan and Kotula [1]_), and the residual variance of the same two passes tells
    whether whole numbers behave like counts, and their gain. Other data take three: the
    variance of a bin of channels is what the components leave of it, and that of a
    pixel too; where it differs between pixels there are up to three more. `blocks`
    keeps the model, so that it is found only once.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    noise : {"auto", "uniform", "poisson", "estimated"}
        "poisson" for counts, "uniform" for noise of one variance, "estimated" for
        variances that differ between channels and pixels. "auto" takes "uniform" for
        data that were scaled already, "poisson" for whole numbers (or multiples of one
        smallest value) whose variance follows their mean, and "estimated" for others
        where the residual variance is uneven. Counts with an offset or with readout
        noise, whose variance is on a line over their mean but not proportional to it,
        are "estimated", and `NoiseModel.offset_counts` says so.
    clipping : {"auto", True, False}
        Whether negative noise was set to zero. "auto" looks for more zeros than
        continuous noise can have.
    n_bins : int, default 256
        Most bins of channels; the memory for a block grows with its square.

    Returns
    -------
    NoiseModel
        The noise model of the data as they are given.

    Raises
    ------
    ValueError
        For data that are zero everywhere, and for negative data with
        ``noise="poisson"``.

    References
    ----------
    .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.noise import find_noise
    >>> rng = np.random.default_rng(0)
    >>> spectra = rng.uniform(20, 200, (2, 40))
    >>> counts = rng.poisson(rng.dirichlet([1, 1], 500) @ spectra)
    >>> noise = find_noise(as_blocks(counts))
    >>> noise.kind, noise.gain
    ('poisson', 1.0)
    >>> find_noise(as_blocks(np.round(1.3 * counts + 5e3))).kind
    'estimated'
    """
    model = blocks.once(
        ("noise", noise, clipping, n_bins),
        lambda: _find(blocks, noise, clipping, n_bins),
    )
    if clipping == "auto" and not model.clipped:
        blocks.once(("noise", noise, False, n_bins), lambda: model)
    return model


def count_gain(blocks: BlockMatrix) -> float:
    """Size of one count: the only test of whether data are counts.

    Parameters
    ----------
    blocks : BlockMatrix
        The data. They are read once, and again where they look like counts.

    Returns
    -------
    float
        Size of one count in the units of the data, 0 for data that are no counts.
    """
    if not unit_of(blocks.describe()):
        return 0.0
    return find_noise(blocks).gain


def _find(
    blocks: BlockMatrix, noise: str, clipping: str | bool, n_bins: int
) -> NoiseModel:
    summary = blocks.describe()
    if not summary.sum_of_squares > 0:
        raise ValueError("The data are zero everywhere; there is nothing to decompose.")
    scaled = blocks.row_scale is not None
    if scaled and noise == "auto":
        noise = "uniform"
    if noise == "poisson" and summary.minimum < 0:
        raise ValueError(
            "Negative values in data: noise='poisson' needs counts, but the data are "
            f"negative ({summary.minimum:g}) at {summary.minimum_at}. Use "
            "noise='estimated', or mask these pixels."
        )
    model = None
    if noise == "poisson" or (noise == "auto" and unit_of(summary)):
        model = _poisson_model(blocks, noise, n_bins)
    if model is None:
        # Blurred counts have zeros and small entries too, but no noise below zero.
        if clipping == "auto" and (scaled or blocks.sparse or summary.resampled):
            clipping = False
        model = _other_model(blocks, noise, clipping, n_bins)
    _logger.info("Noise model: %r", model)
    return model


def _poisson_model(blocks: BlockMatrix, noise: str, n_bins: int) -> NoiseModel | None:
    """Model of counts, or None where "auto" finds that whole numbers are none."""
    summary = blocks.describe()
    unit = unit_of(summary) or 1.0
    columns = summary.column_sums / unit
    n, m = blocks.shape
    least = min(_LEAST_COUNTS, _GAUSSIAN * n)
    starts = bins_of_counts(columns, max(least, columns.sum() / n_bins))
    row_scale = poisson_row_scale(summary.row_sums)
    gram, expected = blocks.once(
        ("gram of counts", n_bins),
        lambda: gram_and_expectation(blocks, starts, row_scale),
    )
    pixels = effective_pixels(summary.row_sums / np.square(row_scale))
    shape = pixels, int(np.count_nonzero(expected > 0))

    def spectrum_for(unit: float) -> BinnedSpectrum:
        # The variance of a bin is the weighted sum of its counts.
        variance = np.where(expected > 0, expected * unit, 1.0) / n
        scale = np.sqrt(variance)
        known = _KNOWN * n / shape[0]
        return BinnedSpectrum.of(gram, expected, starts, row_scale, scale, shape, known)

    spectrum = spectrum_for(unit)
    width = np.diff(np.append(starts, m))
    gain = gain_of(spectrum, expected / width, noise == "poisson")
    if gain is None:
        return None
    if gain != 1.0:
        unit *= gain
        spectrum = spectrum_for(unit)
    columns = poisson_column_scale(summary.column_sums)
    return NoiseModel("poisson", row_scale, columns, unit, False, summary, spectrum)


def _other_model(
    blocks: BlockMatrix, noise: str, clipping: str | bool, n_bins: int
) -> NoiseModel:
    """Model of data that are no counts."""
    summary, m = blocks.describe(), blocks.shape[1]
    spectrum = uniform_bins(blocks, n_bins)
    width = np.diff(np.append(spectrum.starts, m))
    if clipping == "auto":
        clipping = is_clipped(spectrum, summary, width)
    knee = elbow(spectrum.squares)
    # Clipping itself makes the noise uneven, and weights would follow the signal.
    uneven = None
    if noise == "estimated" or (noise == "auto" and not clipping):
        uneven = estimated_spectrum(blocks, spectrum, knee, noise == "estimated")
    kind = "uniform" if uneven is None else "estimated"
    columns, line = np.ones(m), None
    if uneven is not None:
        spectrum = uneven
        k = knee if spectrum.structured else spectrum.above_noise()[0]
        moments = spectrum.level_and_variance(k, width)
        line = counts_with_offset(*moments, blocks.shape[0] - k)
        columns = np.repeat(spectrum.bin_scale / np.sqrt(width), width)
        columns /= np.sqrt(np.mean(np.square(columns)))
    scales = spectrum.row_scale, columns
    return NoiseModel(kind, *scales, 0.0, bool(clipping), summary, spectrum, knee, line)

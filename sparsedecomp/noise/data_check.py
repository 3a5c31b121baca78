"""A look at data before a fit: what would mislead it, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.count_statistics import RESAMPLED
from sparsedecomp.noise.model import find_noise
from sparsedecomp.noise.spikes import Spikes, find_spikes
from sparsedecomp.results import AxisScale, Result, drawn_by

# A pixel with less than this part of the typical intensity holds no specimen.
_VACUUM = 0.02
# A channel that differs by this factor from the four around it is no spectrum.
_HOT, _DEAD = 10.0, 0.1
# Saturation: pixels whose largest entry is the largest of all, and how many times more
# frequent this is than a largest entry within a tenth below.
_SATURATED, _PILED_UP = 5, 3.0
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing about the data that a fit should not meet unprepared.

    Attributes
    ----------
    kind : str
        "spikes", "dead_pixels", "hot_pixels", "vacuum", "dead_channels",
        "hot_channels", "saturation", "negative_values", "resampled_counts",
        "count_offset" or "energy_drift".
    message : str
        What was found, how much of it and where.
    advice : str
        What it does to a decomposition, and what to do.
    places : (n,) int array
        Flat indices of the pixels, or of the channels, in the data.
    """

    kind: str
    message: str
    advice: str
    places: np.ndarray


@dataclass(frozen=True, repr=False)
class DataCheck(Result):
    """What `check_data` found; readable when printed.

    Attributes
    ----------
    findings : tuple of Finding
        Empty for data that nothing is wrong with.
    spikes : Spikes
        Single entries that stand out, with what they are replaced by.
    intensity : (*navigation_shape) array
        Sum of the spectrum of each pixel without spikes, NaN where masked.
    mean_spectrum : (n_channels,) array
        Mean of the pixels that are not masked.
    channels : (n_channels,) int array
        Channels of the data that are not masked.
    passes : int
        Reads of the whole data that the check took.
    pixel_axes : tuple of AxisScale, default ()
        Navigation axes of the signal, x before y, for figures.
    channel_axis : AxisScale or None
        Signal axis of the channels that are not masked.
    """

    findings: tuple[Finding, ...]
    spikes: Spikes
    intensity: np.ndarray
    mean_spectrum: np.ndarray
    channels: np.ndarray
    passes: int
    pixel_axes: tuple[AxisScale, ...] = ()
    channel_axis: AxisScale | None = None

    plot = drawn_by("plot_data_check")

    def __getitem__(self, kind: str) -> Finding | None:
        """The finding of a kind, or None.

        Parameters
        ----------
        kind : str
            As `Finding.kind`.

        Returns
        -------
        Finding or None
            None where nothing of that kind was found.
        """
        return next((each for each in self.findings if each.kind == kind), None)

    @property
    def summary(self) -> str:
        """Kinds of what was found in one line."""
        if not self.findings:
            return "Nothing in these data would mislead a decomposition."
        return f"Found: {', '.join(f.kind.replace('_', ' ') for f in self.findings)}."

    def _details(self) -> Iterator[str]:
        for finding in self.findings:
            yield f"- {finding.message} {finding.advice}"


def check_data(blocks: BlockMatrix, unit: float = 0.0) -> DataCheck:
    """Look for spikes, bad pixels and channels, vacuum, saturation and offsets.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled.
    unit : float, default 0
        Size of one count; 0 for data that are not counts.

    Returns
    -------
    DataCheck
        After two passes over the data, and one more where single entries stand out.
        The noise model of data that are no counts takes up to six passes more, unless
        `find_noise` was asked before.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.noise import check_data
    >>> cube = np.random.default_rng(0).poisson(20.0, (8, 8, 50))
    >>> cube[3, 4, 20] = 5000
    >>> found = check_data(as_blocks(cube), unit=1.0)
    >>> [finding.kind for finding in found.findings]
    ['spikes']
    """
    before = blocks.passes
    summary = blocks.describe()
    spikes, largest, repeats = find_spikes(blocks, unit)
    rows = summary.row_sums.copy()
    columns = summary.column_sums.copy()
    np.subtract.at(rows, spikes.rows, spikes.values - spikes.replacements)
    np.subtract.at(columns, spikes.columns, spikes.values - spikes.replacements)
    findings = [
        _of_spikes(blocks, spikes),
        *_of_pixels(blocks, rows),
        *_of_channels(blocks, columns),
        _of_saturation(blocks, spikes, largest, repeats),
        _of_negative_values(summary),
        _of_resampling(summary),
        None if unit else _of_count_offset(blocks),
    ]
    return DataCheck(
        findings=tuple(each for each in findings if each is not None),
        spikes=spikes,
        intensity=pixel_map(blocks, rows),
        mean_spectrum=columns / blocks.shape[0],
        channels=blocks.columns,
        passes=blocks.passes - before,
    )


def pixel_map(blocks: BlockMatrix, values: np.ndarray) -> np.ndarray:
    """One number for each row of a matrix as a map of all pixels.

    Parameters
    ----------
    blocks : BlockMatrix
        The matrix.
    values : (n_pixels,) array
        One number for each of its rows.

    Returns
    -------
    (*navigation_shape) array
        In array order, NaN where masked.
    """
    whole = np.full(blocks.navigation_shape, np.nan)
    whole.flat[blocks.rows] = values
    return whole


def _of_spikes(blocks, spikes):
    if not len(spikes):
        return None
    named = [
        blocks.place(*where)
        for where in zip(spikes.rows[:_NAMED], spikes.columns[:_NAMED], strict=True)
    ]
    more = ", ..." if len(spikes) > _NAMED else ""
    single = len(spikes) == 1
    return Finding(
        "spikes",
        f"{len(spikes)} single {'entry stands' if single else 'entries stand'} far "
        f"above the channels and pixels around ({'; '.join(named)}{more}): cosmic rays "
        "or defects of the detector.",
        "Least-squares fits replace them by their neighbours; anything else should "
        "mask or remove them first (s.spikes_removal_tool()).",
        blocks.rows[np.unique(spikes.rows)],
    )


def _of_pixels(blocks, sums):
    bright = sums[sums > 0]
    if not len(bright):
        return
    # The median of the brighter half: vacuum may be most of the image.
    typical = np.median(bright[bright >= np.median(bright)])
    empty = np.flatnonzero(sums == 0)
    dark = np.flatnonzero((sums != 0) & (sums < _VACUUM * typical))
    hot = np.flatnonzero(sums > _HOT * np.quantile(bright, 0.99))
    if len(empty):
        yield Finding(
            "dead_pixels",
            f"{_pixels(blocks, empty)} no intensity at all.",
            "They have no weight in a fit; a navigation_mask leaves them out.",
            blocks.rows[empty],
        )
    if len(dark):
        yield Finding(
            "vacuum",
            f"{_pixels(blocks, dark)} less than {100 * _VACUUM:g} % of the typical "
            "intensity: vacuum, or holes.",
            "Their noise tells nothing; a navigation_mask leaves them out.",
            blocks.rows[dark],
        )
    if len(hot):
        yield Finding(
            "hot_pixels",
            f"{_pixels(blocks, hot)} more than {_HOT:g} times the intensity of nearly "
            "all others.",
            "Few pixels then decide the spectra; check them, or mask them.",
            blocks.rows[hot],
        )


def _pixels(blocks, rows):
    where = np.unravel_index(blocks.rows[rows[:_NAMED]], blocks.navigation_shape)
    named = ", ".join(str(tuple(map(int, each))) for each in zip(*where, strict=True))
    more = ", ..." if len(rows) > _NAMED else ""
    single = len(rows) == 1
    return f"{len(rows)} pixel{'' if single else 's'} ({named}{more}) " + (
        "has" if single else "have"
    )


def _of_channels(blocks, sums):
    m = len(sums)
    if m < 5:
        return
    padded = np.pad(sums, 2, mode="reflect")
    around = np.median(
        [padded[:m], padded[1 : m + 1], padded[3 : m + 3], padded[4 : m + 4]], axis=0
    )
    nothing = np.flatnonzero((sums <= _DEAD * around) & (around > 0))
    hot = np.flatnonzero((sums > _HOT * np.abs(around)) & (around != 0))
    channels = blocks.columns
    for kind, which, what in (
        ("dead_channels", nothing, "hardly anything beside channels that do"),
        ("hot_channels", hot, f"more than {_HOT:g} times what is beside them"),
    ):
        if len(which):
            named = ", ".join(str(int(c)) for c in channels[which[:_NAMED]])
            more = ", ..." if len(which) > _NAMED else ""
            yield Finding(
                kind,
                f"{len(which)} channel{'s' * (len(which) > 1)} ({named}{more}) with "
                f"{what}.",
                "A signal_mask leaves them out.",
                channels[which],
            )


def _of_saturation(blocks, spikes, largest, repeats):
    regular = np.ones(len(largest), bool)
    regular[spikes.rows] = False
    if not regular.any():
        return None
    top = largest[regular].max()
    at_top = regular & (largest == top)
    entries = int(repeats[at_top].sum())
    below = np.count_nonzero(regular & (largest < top) & (largest >= 0.9 * top))
    several = np.count_nonzero(repeats[at_top] > 1)
    if several < _SATURATED or at_top.sum() <= _PILED_UP * below:
        return None
    return Finding(
        "saturation",
        f"{entries} entries in {int(at_top.sum())} pixels share the largest value of "
        f"all ({top:g}): the detector was saturated.",
        "What is cut off looks like components of its own: mask these channels or "
        "pixels.",
        blocks.rows[at_top],
    )


def _of_negative_values(summary):
    if summary.minimum >= 0:
        return None
    return Finding(
        "negative_values",
        f"Negative values down to {summary.minimum:g} (at {summary.minimum_at}).",
        "They are noise where a dark signal or a background was subtracted: methods of "
        "least squares take them as they are, those of counts refuse them.",
        np.zeros(0, int),
    )


def _of_resampling(summary):
    if not summary.resampled:
        return None
    return Finding(
        "resampled_counts",
        RESAMPLED,
        "Use the counts as they were recorded; a drift of the energy axis is found and "
        "modelled in them (s.estimate_energy_drift()).",
        np.zeros(0, int),
    )


def _of_count_offset(blocks):
    if not blocks.describe().sum_of_squares > 0:
        return None
    line = find_noise(blocks).offset_counts
    if line is None or line.intercept >= 0:
        return None
    return Finding(
        "count_offset",
        f"The noise is that of {line}: its variance is on a line over the mean.",
        "Subtract the offset: in every pixel it is a constant spectrum, which becomes "
        "a component or part of one.",
        np.zeros(0, int),
    )

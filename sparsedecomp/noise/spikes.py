"""Cosmic rays and other single entries that no spectrum can have.

A ray fills one to three channels of one pixel. It stands out from the channels beside
it and, which a narrow line of a spectrum does not, from the same channels of the
pixels around it. Left in, it becomes a component of its own or takes the place of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.sparse
import scipy.stats

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.reading import Replacements
from sparsedecomp.kernels.spikes import spectrum_roughness, spike_candidates

# Channels that a ray fills at most: the spread of the charge in a detector.
MAX_WIDTH = 3
# Fewer channels do not tell a ray from a line.
LEAST_CHANNELS = 32
# How far a run stands out from its neighbours, in standard deviations of the
# difference, before the pixels around are looked at. Rays are found at a few times
# this; a smaller number costs time only.
_FIRST_LOOK = 4.0
# Expected number of false alarms in one data set of pure noise.
_FALSE_ALARMS = 1e-3
# A channel that stands out in many pixels holds a line. Only this part of the pixels,
# where it stands out most, is compared with the pixels around.
_LINE = 0.01
# Channels from which the roughness of a spectrum is taken.
_SAMPLE = 101
# Distance to which pixels are neighbours, along every axis.
_REACH = 2


@dataclass(frozen=True)
class Spikes:
    """Entries that stand out from all their neighbours.

    Attributes
    ----------
    rows : (n,) int array
        Row of each entry in the matrix that was searched.
    columns : (n,) int array
        Column of each entry.
    values : (n,) float array
        What was measured, in the units of the data.
    replacements : (n,) float array
        Mean of the two channels on either side, in the same pixel.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    replacements: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def removed_from(self, blocks: BlockMatrix) -> BlockMatrix:
        """The matrix with these entries replaced whenever it is read.

        Parameters
        ----------
        blocks : BlockMatrix
            The matrix that was searched, or one that is scaled differently.

        Returns
        -------
        BlockMatrix
            The data themselves do not change.
        """
        if not len(self):
            return blocks
        entries = Replacements(self.rows, self.columns, self.replacements)
        return blocks.corrected(entries)


NO_SPIKES = Spikes(*np.zeros((2, 0), int), *np.zeros((2, 0)))


def find_spikes(
    blocks: BlockMatrix, unit: float = 0.0
) -> tuple[Spikes, np.ndarray, np.ndarray]:
    """Find entries that stand out from the channels and from the pixels around them.

    A run of one to three channels is a spike where it exceeds the largest of the two
    channels on either side of it *and* of the same channels in the pixels at a distance
    of one and two along every navigation axis by more than noise can: for counts, by
    the tail of the Poisson distribution, for all data by that of the normal
    distribution with the roughness of the spectrum or the spread of the pixels around,
    each at a thousandth of an expected false alarm in the whole data set.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled. With fewer than 32 channels no line can be told from a
        spike, and none is looked for.
    unit : float, default 0
        Size of one count; 0 for data that are not counts.

    Returns
    -------
    spikes : Spikes
        After one pass over the data, and a second one over the surroundings where
        anything stood out.
    largest : (n_pixels,) array
        The largest entry of each pixel.
    repeats : (n_pixels,) int array
        How many channels of the pixel have it.
    """
    n, m = blocks.shape
    (each, largest, repeats), _ = blocks.unscaled().run(
        _candidates, rows=(np.arange(n),), shared=(unit,)
    )
    parts = [part for part in each if part is not None]
    spikes = _spikes_among(blocks, parts, unit) if parts else NO_SPIKES
    return spikes, largest, repeats


def _spikes_among(blocks, parts, unit):
    """The candidates that stand out from the pixels around, too."""
    n, m = blocks.shape
    runs, levels, roughness = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    rows, first, width = runs.T
    # Runs become entries.
    entry = np.repeat(np.arange(len(rows)), width)
    offset = np.arange(len(entry)) - np.repeat(np.cumsum(width) - width, width)
    rows, columns = rows[entry], first[entry] + offset
    kept = _largest_of_channels(columns, levels[entry, 2], max(3, int(_LINE * n)))
    rows, columns, entry = (each[kept] for each in (rows, columns, entry))
    values, largest, spread = _surroundings(blocks.unscaled(), rows, columns)
    level, replacement, _ = levels[entry].T
    level = np.maximum(level, largest)
    false_alarm = _FALSE_ALARMS / (n * m)
    if unit:
        counts = level / unit
        tail = scipy.stats.poisson.sf(
            np.round(values / unit) - 1, counts + 2 * np.sqrt(counts) + 2
        )
        significant = tail < false_alarm
    # A spectrum that is rough by itself, or a channel whose pixels differ much, is no
    # sign of a ray, whatever the counts say.
    apart = scipy.stats.norm.isf(false_alarm) + 2
    spike = values - level > apart * np.maximum(roughness[entry], spread)
    if unit:
        spike &= significant
    # All channels of a run stand out, or none is replaced.
    whole = np.zeros(entry.max() + 1, bool)
    whole[entry[spike]] = True
    whole[entry[~spike]] = False
    spike = whole[entry]
    order = np.lexsort((columns[spike], rows[spike]))
    return Spikes(
        *(each[spike][order] for each in (rows, columns, values, replacement))
    )


def _candidates(X, rows, unit):
    """Runs above their channels in some pixels; a function for `BlockMatrix.run`."""
    n, m = X.shape
    part = np.full(n, None, dtype=object)
    if scipy.sparse.issparse(X):
        largest = X.max(axis=1).toarray().ravel()
        return (part, largest, np.ones(n, int)), ()
    largest = X.max(axis=1)
    repeats = np.count_nonzero(X == largest[:, None], axis=1)
    if m < LEAST_CHANNELS:
        return (part, largest, repeats), ()
    sample = np.unique(np.linspace(1, m - 2, min(_SAMPLE, m - 2)).astype(np.int64))
    roughness = np.empty(n)
    spectrum_roughness(X, sample, roughness)
    found, level = np.empty((64, 3), np.int64), np.empty((64, 3))
    while True:
        count = spike_candidates(
            X, roughness, float(unit), _FIRST_LOOK, MAX_WIDTH, found, level
        )
        if count <= len(found):
            break
        found, level = np.empty((count, 3), np.int64), np.empty((count, 3))
    if count:
        found, level = found[:count], level[:count]
        of_run = roughness[found[:, 0]]
        found[:, 0] = rows[found[:, 0]]
        part[0] = found, level, of_run
    return (part, largest, repeats), ()


def _largest_of_channels(columns, excess, most):
    """Which entries are among the ``most`` of largest excess in their channel."""
    order = np.lexsort((-excess, columns))
    first = np.searchsorted(columns[order], columns[order])
    kept = np.zeros(len(columns), bool)
    kept[order] = np.arange(len(order)) - first < most
    return kept


def _surroundings(blocks, rows, columns):
    """The entries, and the largest and the spread of the pixels around each."""
    shape = blocks.navigation_shape
    steps = [
        step
        for step in product(range(-_REACH, _REACH + 1), repeat=len(shape))
        if np.count_nonzero(step) == 1
    ]
    position = np.full(int(np.prod(shape)), -1)
    position[blocks.rows] = np.arange(blocks.shape[0])
    here = np.array(np.unravel_index(blocks.rows[rows], shape))
    around = np.full((len(rows), len(steps)), -1)
    for j, step in enumerate(steps):
        there = here + np.array(step)[:, None]
        inside = np.all((there >= 0) & (there < np.array(shape)[:, None]), axis=0)
        flat = np.ravel_multi_index(there[:, inside], shape)
        around[inside, j] = position[flat]
    entries = np.column_stack([rows, around])
    known = entries >= 0
    wanted = np.where(known, entries, 0)
    chosen = np.unique(wanted[known])
    marks = scipy.sparse.csr_array(
        (
            np.ones(known.sum(), bool),
            (
                np.searchsorted(chosen, wanted[known]),
                np.broadcast_to(columns[:, None], known.shape)[known],
            ),
        ),
        shape=(len(chosen), blocks.shape[1]),
    )
    marks.sum_duplicates()
    (parts,), _ = blocks.select(chosen).run(_marked, rows=(chosen, marks))
    parts = [part for part in parts if part is not None]
    lines, channels, found = (np.concatenate(each) for each in zip(*parts, strict=True))
    key = lines * blocks.shape[1] + channels
    order = np.argsort(key)
    at = np.searchsorted(key[order], wanted * blocks.shape[1] + columns[:, None])
    values = found[order[np.minimum(at, len(order) - 1)]]
    neighbours = np.where(known, values, np.nan)[:, 1:]
    alone = ~known[:, 1:].any(axis=1)
    # Without pixels around there is nothing to compare with, and nothing is a spike.
    neighbours[alone] = values[alone, :1]
    largest = np.nanmax(neighbours, axis=1)
    return values[:, 0], largest, np.nanstd(neighbours, axis=1)


def _marked(X, rows, marks):
    """The marked entries of some rows; a function for `BlockMatrix.run`."""
    lines, channels = marks.nonzero()
    part = np.full(len(rows), None, dtype=object)
    part[0] = rows[lines], channels, np.asarray(X[lines, channels], float)
    return (part,), ()

"""Patches of a fine map, grouped by where the samples of the frames lie in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.observation.taps import taps

# Samples nearer to the edge of a patch than this, in fine pixels, depend on pixels of
# its neighbours through the cubic kernel.
_MARGIN = 1.0
# Signals that are coded at once: more take more memory.
_AT_ONCE = 4096
# Places of samples that differ by less than this part of a fine pixel are one
# arrangement. They agree exactly for scales that are ratios of small numbers.
_SAME = 1 / 16


class Group(NamedTuple):
    """Patches that see their samples at the same places.

    Attributes
    ----------
    rows, columns : (n,) int arrays
        Where the patches begin on the fine grid.
    atoms : (n_atoms, n_samples) array
        Atoms at the places of the samples.
    samples : (n, n_samples, n_factors) array
        Samples of each patch.
    """

    rows: NDArray
    columns: NDArray
    atoms: NDArray
    samples: NDArray


class _Line(NamedTuple):
    """Patches along one axis: first sample in each, how many there are, and where."""

    starts: NDArray
    first: NDArray
    n_samples: NDArray
    place: NDArray
    kind: NDArray


class _Members(NamedTuple):
    """Patches of one kind along an axis; samples and taps are lists over the frames."""

    starts: NDArray
    samples: list[NDArray]
    matrices: list[NDArray]

    def parts(self, n: int) -> Iterator[_Members]:
        """Pieces of ``n`` patches."""
        for first in range(0, len(self.starts), n):
            cut = slice(first, first + n)
            samples = [each[cut] for each in self.samples]
            yield _Members(self.starts[cut], samples, self.matrices)


def groups_of(A: FrameOperator, Y: NDArray, D: NDArray, stride: int) -> Iterator[Group]:
    """Patches of a map in groups that have one arrangement of samples.

    Along each axis the arrangement repeats where the scale is a ratio of small
    numbers: for 5/2 there are five, so that the atoms are degraded 25 times and not
    for every patch. Masked samples make more of them.

    Parameters
    ----------
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    D : (n_atoms, size**2) array
        Atoms.
    stride : int
        Distance between patches, in fine pixels.

    Yields
    ------
    Group
        Some thousand signals at most. Patches with fewer than two samples are left out.
    """
    size = int(np.sqrt(D.shape[1]))
    images = D.reshape(-1, size, size).astype(Y.dtype)
    rows, columns = (
        [_members(A, line, kind, size, Y.dtype) for kind in range(line.kind.max() + 1)]
        for line in (_line(A, axis, size, stride) for axis in (0, 1))
    )
    for some_rows in rows:
        for some_columns in columns:
            n = _AT_ONCE // (Y.shape[-1] * len(some_columns.starts))
            for part in some_rows.parts(max(n, 1)):
                yield from _groups(A, Y, images, part, some_columns)


def _line(A: FrameOperator, axis: int, size: int, stride: int) -> _Line:
    n = A.geometry.shape[axis]
    starts = np.unique(np.append(np.arange(0, n - size + 1, stride), n - size))
    place = A.geometry.positions(axis)[:, None, :] - starts[:, None]
    inside = (place >= _MARGIN) & (place <= size - 1 - _MARGIN)
    first, count = inside.argmax(axis=2), inside.sum(axis=2)
    place = np.take_along_axis(place, first[..., None], 2)[..., 0]
    # The arrangement is that of the step in which a patch begins, and how far in it.
    step = np.floor(starts / A.geometry.scale + 1e-9)
    phase = np.round((starts - A.geometry.scale * step) / _SAME)
    alike = np.concatenate([(first - step) * (count > 0), count, phase[None]])
    kind = np.unique(alike, axis=1, return_inverse=True)[1].ravel()
    return _Line(starts, first, count, place, kind)


def _members(
    A: FrameOperator, line: _Line, kind: int, size: int, dtype: np.dtype
) -> _Members:
    members = np.flatnonzero(line.kind == kind)
    samples, matrices = [], []
    for k in range(len(line.first)):
        steps = np.arange(line.n_samples[k, members[0]])
        samples.append(line.first[k, members, None] + steps)
        place = line.place[k, members[0]] + A.geometry.scale * steps
        index, weight = taps(place, size, A.kernel, A.psf)
        matrix = np.zeros((len(place), size))
        np.add.at(matrix, (steps[:, None], index), weight)
        matrices.append(matrix.astype(dtype))
    return _Members(line.starts[members], samples, matrices)


def _groups(
    A: FrameOperator, Y: NDArray, images: NDArray, rows: _Members, columns: _Members
) -> Iterator[Group]:
    """Groups of patches of one kind along both axes, split by what is masked."""
    parts: list[tuple[NDArray, NDArray, NDArray]] = []
    n = len(rows.starts) * len(columns.starts)
    for k, (R, C) in enumerate(zip(rows.matrices, columns.matrices, strict=True)):
        i, j = rows.samples[k], columns.samples[k]
        cut = (k, i[:, None, :, None], j[None, :, None, :])
        parts.append(
            (
                (R @ images @ C.T).reshape(len(images), -1),
                Y[cut].reshape(n, R.shape[0] * C.shape[0], -1),
                A.mask[cut].reshape(n, -1),
            )
        )
    atoms, samples, masked = (
        np.concatenate(each, axis=1) for each in zip(*parts, strict=True)
    )
    starts = [
        each.ravel() for each in np.meshgrid(rows.starts, columns.starts, indexing="ij")
    ]
    patterns, which = np.unique(masked, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if np.count_nonzero(~pattern) > 1:
            own = np.flatnonzero(which.ravel() == number)
            yield Group(
                starts[0][own],
                starts[1][own],
                np.ascontiguousarray(atoms[:, ~pattern]),
                samples[own][:, ~pattern],
            )


class Overlap:
    """The mean of overlapping patches, each with the largest weight in its middle.

    Parameters
    ----------
    shape : (int, int, int)
        Rows, columns and factors of the map.
    size : int
        Rows and columns of a patch.
    """

    def __init__(self, shape: tuple[int, int, int], size: int) -> None:
        self.total = np.zeros(shape)
        self.weight = np.zeros(shape[:2])
        line = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 + 1e-3
        self.window = np.multiply.outer(line, line)

    def add(self, rows: NDArray, columns: NDArray, patches: NDArray) -> None:
        """Add patches (n, size, size, n_factors) that begin at some pixels."""
        size = len(self.window)
        patches = patches * self.window[:, :, None]
        for i, j, patch in zip(rows, columns, patches, strict=True):
            self.total[i : i + size, j : j + size] += patch
            self.weight[i : i + size, j : j + size] += self.window

    def mean(self, otherwise: NDArray) -> NDArray:
        """The mean; where there is no patch, the values of ``otherwise``."""
        none = self.weight == 0
        x = (self.total / np.where(none, 1, self.weight)[:, :, None]).astype(
            otherwise.dtype
        )
        x[none] = otherwise[none]
        return x

"""The Potts kernels once more, in the plainest Python."""

import itertools

import numpy as np


def neighbours_of(place, index, offsets):
    """Rows of the neighbours of a place and the numbers of their offsets."""
    for o, offset in enumerate(offsets):
        there = tuple(int(p + d) for p, d in zip(place, offset, strict=True))
        inside = all(0 <= p < size for p, size in zip(there, index.shape, strict=True))
        if inside and index[there] >= 0:
            yield index[there], o


def places(index):
    """Places that hold a pixel, in C order."""
    for place in itertools.product(*map(range, index.shape)):
        if index[place] >= 0:
            yield place, index[place]


def mean_field_sweep(Q, L, index, offsets, weights, coupling):
    """Probabilities after one sweep, and the sum of their changes."""
    Q = np.array(Q, float)
    before = Q.copy()
    for place, i in places(index):
        field = L[i] + coupling * sum(
            weights[o] * Q[j] for j, o in neighbours_of(place, index, offsets)
        )
        odds = np.exp(field - field.max())
        Q[i] = odds / odds.sum()
    return Q, np.abs(Q - before).sum()


def free_energy(Q, L, index, offsets, weights, coupling):
    """What the mean field maximises."""
    energy = np.sum(Q * L) - np.sum(Q * np.log(np.maximum(Q, 1e-300)))
    return energy + coupling / 2 * np.sum(
        Q * neighbour_field(Q, index, offsets, weights)
    )


def neighbour_field(Q, index, offsets, weights):
    """Weighted sums of the probabilities of the neighbours."""
    field = np.zeros_like(Q, dtype=float)
    for place, i in places(index):
        for j, o in neighbours_of(place, index, offsets):
            field[i] += weights[o] * Q[j]
    return field

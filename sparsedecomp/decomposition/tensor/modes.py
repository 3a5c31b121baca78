"""How the pixels of a cube fold into the modes of a tensor."""

from __future__ import annotations

import math
from numbers import Integral
from typing import NamedTuple

import numpy as np


class Folding(NamedTuple):
    """Navigation axes put together to modes; the channels are the last mode.

    Attributes
    ----------
    navigation_shape : tuple of int
        In array order.
    modes : tuple of tuples of int
        Navigation axes of each mode; every axis is in exactly one of them.
    """

    navigation_shape: tuple
    modes: tuple

    @classmethod
    def of(cls, navigation_shape, modes=None):
        """Check what the user gave.

        Parameters
        ----------
        navigation_shape : tuple of int
        modes : sequence of int or of sequences of int, optional
            Default: every navigation axis is a mode.

        Returns
        -------
        Folding

        Raises
        ------
        ValueError
            When an axis is missing, named twice or does not exist.
        """
        n_axes = len(navigation_shape)
        if modes is None:
            modes = range(n_axes)
        modes = tuple((m,) if isinstance(m, Integral) else tuple(m) for m in modes)
        axes = [axis for mode in modes for axis in mode]
        if sorted(axes) != list(range(n_axes)) or not all(modes):
            raise ValueError(
                f"modes={modes} for data with {n_axes} navigation axes of the shape "
                f"{tuple(navigation_shape)}: expected every axis from 0 to "
                f"{n_axes - 1} in exactly one mode, for instance "
                f"{tuple((axis,) for axis in range(n_axes))}."
            )
        return cls(tuple(navigation_shape), modes)

    @property
    def shape(self):
        """Sizes of the modes, without the channels."""
        return tuple(
            math.prod(self.navigation_shape[axis] for axis in mode)
            for mode in self.modes
        )

    def tensor(self, rows):
        """Fold one entry for every position into a tensor.

        Parameters
        ----------
        rows : (n_positions, ...) array
            In C order of the navigation axes.

        Returns
        -------
        (*shape, ...) array
        """
        rest = rows.shape[1:]
        axes = [axis for mode in self.modes for axis in mode]
        trailing = range(len(axes), len(axes) + len(rest))
        folded = rows.reshape(*self.navigation_shape, *rest)
        return folded.transpose(*axes, *trailing).reshape(*self.shape, *rest)

    def indices(self, rows):
        """Where rows of the matrix are in each mode.

        Parameters
        ----------
        rows : (n,) int array
            Flat C-order positions.

        Returns
        -------
        list of (n,) int arrays
        """
        where = np.unravel_index(rows, self.navigation_shape)
        return [
            np.ravel_multi_index(
                [where[axis] for axis in mode],
                [self.navigation_shape[axis] for axis in mode],
            )
            for mode in self.modes
        ]


def khatri_rao_rows(factors, indices):
    """Product of the factors at some positions: rows of their Khatri-Rao product.

    Parameters
    ----------
    factors : sequence of (n_m, k) arrays
    indices : sequence of (n,) int arrays

    Returns
    -------
    (n, k) array
    """
    product = factors[0][indices[0]]
    for factor, index in zip(factors[1:], indices[1:], strict=True):
        product = product * factor[index]
    return product


def contract(T, factors, skip=None):
    """Multiply a tensor along its modes, all but one, component by component.

    Parameters
    ----------
    T : (n_1, ..., n_M, k) array
    factors : sequence of M arrays of shape (n_m, k)
    skip : int, optional
        Mode that stays.

    Returns
    -------
    (n_skip, k) array, or (k,) when no mode stays
    """
    for mode in reversed(range(len(factors))):
        if skip is None or mode > skip:
            T = np.einsum("...jk,jk->...k", T, factors[mode])
    for mode in range(skip or 0):
        T = np.einsum("j...k,jk->...k", T, factors[mode])
    return T

"""Navigation axes of a cube grouped into the modes of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Folding(NamedTuple):
    """Navigation axes grouped into modes; the channels are the last mode.

    Attributes
    ----------
    navigation_shape : tuple of int
        Sizes of the navigation axes in array order.
    modes : tuple of tuples of int
        Navigation axes of each mode; every axis is in exactly one of them.
    """

    navigation_shape: tuple[int, ...]
    modes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls, navigation_shape: Sequence[int], modes: Sequence | None = None
    ) -> Folding:
        """Check the modes that the user gave.

        Parameters
        ----------
        navigation_shape : tuple of int
            Sizes of the navigation axes in array order.
        modes : sequence of int or of sequences of int, optional
            Navigation axes of each mode. Default: every navigation axis is a mode.

        Returns
        -------
        Folding

        Raises
        ------
        ValueError
            If an axis is missing, named twice or does not exist.
        """
        n_axes = len(navigation_shape)
        given: Sequence = range(n_axes) if modes is None else modes
        grouped = tuple((m,) if isinstance(m, Integral) else tuple(m) for m in given)
        axes = [axis for mode in grouped for axis in mode]
        if sorted(axes) != list(range(n_axes)) or not all(grouped):
            raise ValueError(
                f"modes={grouped} for data with {n_axes} navigation axes of the shape "
                f"{tuple(navigation_shape)}: expected every axis from 0 to "
                f"{n_axes - 1} in exactly one mode, for instance "
                f"{tuple((axis,) for axis in range(n_axes))}."
            )
        return cls(tuple(navigation_shape), grouped)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the modes, without the channels."""
        return tuple(
            math.prod(self.navigation_shape[axis] for axis in mode)
            for mode in self.modes
        )

    def tensor(self, rows: NDArray) -> NDArray:
        """Fold one entry for every position into a tensor.

        Parameters
        ----------
        rows : (n_positions, ...) array
            Entries in C order of the navigation axes.

        Returns
        -------
        (*shape, ...) array
        """
        rest = rows.shape[1:]
        axes = [axis for mode in self.modes for axis in mode]
        trailing = range(len(axes), len(axes) + len(rest))
        folded = rows.reshape(*self.navigation_shape, *rest)
        return folded.transpose(*axes, *trailing).reshape(*self.shape, *rest)

    def indices(self, rows: NDArray) -> list[NDArray]:
        """Positions of rows of the matrix in each mode.

        Parameters
        ----------
        rows : (n,) int array
            Flat positions of the rows in C order.

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

    def products(self, factors: Sequence[NDArray], rows: NDArray) -> NDArray:
        """Products of the factors at rows of the matrix.

        Parameters
        ----------
        factors : sequence of (n_m, k) arrays
            Factors of all modes but the channels.
        rows : (n,) int array
            Flat positions of the rows in C order.

        Returns
        -------
        (n, k) array
        """
        return khatri_rao_rows(factors, self.indices(rows))


def khatri_rao_rows(factors: Sequence[NDArray], indices: Sequence[NDArray]) -> NDArray:
    """Rows of the Khatri-Rao product of the factors at some positions.

    Parameters
    ----------
    factors : sequence of (n_m, k) arrays
        Factors of the modes.
    indices : sequence of (n,) int arrays
        Positions in each mode.

    Returns
    -------
    (n, k) array
    """
    product = factors[0][indices[0]]
    for factor, index in zip(factors[1:], indices[1:], strict=True):
        product = product * factor[index]
    return product


def contract(
    T: NDArray, factors: Sequence[NDArray], skip: int | None = None
) -> NDArray:
    """Multiply a tensor along its modes, all but one, component by component.

    Parameters
    ----------
    T : (n_1, ..., n_M, k) array
        Tensor with one entry for every component.
    factors : sequence of M arrays of shape (n_m, k)
        Factors of the modes.
    skip : int, optional
        Mode that is not contracted.

    Returns
    -------
    (n_skip, k) array, or (k,) if all modes are contracted
    """
    for mode in reversed(range(len(factors))):
        if skip is None or mode > skip:
            T = np.einsum("...jk,jk->...k", T, factors[mode])
    for mode in range(skip or 0):
        T = np.einsum("j...k,jk->...k", T, factors[mode])
    return T

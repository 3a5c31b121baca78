"""Pixels are folded into modes, and positions into rows, consistently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.decomposition.tensor.modes import (
    Folding,
    contract,
    khatri_rao_rows,
)


@given(st.permutations(range(3)), st.integers(1, 2), st.integers(0, 2**31))
def test_folding_and_indices_agree(order, cut, seed):
    shape = (2, 3, 4)
    folding = Folding.of(shape, (tuple(order[:cut]), tuple(order[cut:])))
    rows = np.random.default_rng(seed).random((24, 2))
    where = folding.indices(np.arange(24))
    np.testing.assert_array_equal(folding.tensor(rows)[tuple(where)], rows)


def test_every_axis_is_a_mode_by_default():
    assert Folding.of((4, 5)).shape == (4, 5)
    assert Folding.of((4, 5, 6), (2, (0, 1))).shape == (6, 20)


@pytest.mark.parametrize("modes", [(0,), (0, 0), (0, 1, 2), ((0, 1), ()), (0, 3)])
def test_modes_that_are_not_the_axes_are_refused(modes):
    with pytest.raises(ValueError, match="expected every axis from 0 to 1 in exactly"):
        Folding.of((4, 5), modes)


def test_contraction_is_einsum(rng):
    T, A, B, C = rng.random((3, 4, 5, 2)), *(rng.random((n, 2)) for n in (3, 4, 5))
    for skip, letter in enumerate("abc"):
        others = [x for m, x in enumerate((A, B, C)) if m != skip]
        names = [f"{x}z" for x in "abc" if x != letter]
        expected = np.einsum(f"abcz,{','.join(names)}->{letter}z", T, *others)
        np.testing.assert_allclose(contract(T, [A, B, C], skip), expected)
    expected = np.einsum("abcz,az,bz,cz->z", T, A, B, C)
    np.testing.assert_allclose(contract(T, [A, B, C]), expected)


def test_rows_of_the_khatri_rao_product(rng):
    A, B = rng.random((3, 2)), rng.random((4, 2))
    rows = khatri_rao_rows([A, B], np.unravel_index(np.arange(12), (3, 4)))
    np.testing.assert_allclose(rows, np.einsum("az,bz->abz", A, B).reshape(12, 2))

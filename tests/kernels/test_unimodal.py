"""The nearest unimodal curve against a general solver."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparsedecomp.kernels.unimodal import nearest_rising, nearest_unimodal
from tests.naive import unimodal as naive

curves = arrays(float, st.integers(1, 9), elements=st.integers(-4, 9).map(float))


@pytest.mark.parametrize(("factor", "floored"), [(1, False), (1, True), (1.3, True)])
def test_nearest_curve_is_that_of_a_general_solver(run, dtype, factor, floored):
    @given(curves)
    def check(y):
        x = np.empty(len(y), dtype)
        run(nearest_unimodal, y.astype(dtype), float(factor), floored, x)
        expected = naive.nearest_unimodal(y, factor, floored)
        # Several places of the maximum may do equally well: the misfit is the same.
        misfit = np.sum((y - x.astype(float)) ** 2)
        assert misfit == pytest.approx(np.sum((y - expected) ** 2), abs=2e-4, rel=1e-5)
        slack = 1e-5 * (1 + abs(x).max())
        assert any(
            np.all(x[:peak] <= factor * x[1 : peak + 1] + slack)
            and np.all(x[peak + 1 :] <= factor * x[peak:-1] + slack)
            for peak in range(len(x))
        )
        assert not floored or x.min() >= 0

    check()


def test_gain_is_what_every_beginning_explains(run):
    y = np.array([3.0, -1.0, 2.0, 2.5, -6.0, 4.0])
    gain, x = np.empty(7), np.empty(6)
    run(nearest_rising, y, 1.2, True, gain, x)
    for length in range(7):
        best = naive.nearest_monotone(y[:length], 1.2, True)
        left = np.sum((y[:length] - best) ** 2)
        assert gain[length] == pytest.approx(np.sum(y[:length] ** 2) - left, abs=1e-9)


def test_unimodal_curves_stay_as_they_are(run, dtype, close):
    y = np.exp(-0.5 * ((np.arange(40) - 12) / 5) ** 2).astype(dtype)
    x = np.empty(40, dtype)
    run(nearest_unimodal, y, 1.0, True, x)
    close(x, y)


def test_long_curves_with_tolerance_do_not_overflow(run, rng):
    y = rng.random(6000)
    x = np.empty(6000)
    run(nearest_unimodal, y, 1.2, True, x)
    assert np.isfinite(x).all() and np.sum((y - x) ** 2) < np.sum(y**2)

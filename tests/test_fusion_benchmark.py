"""The benchmark of fusion: what its targets say, and how its peers are made."""

import numpy as np
import pytest

from benchmarks.fusion import check
from benchmarks.fusion_cases import PSFS, decibels, gsa, point_spread, spline
from sparsedecomp.fusion import Degradation, Grids, PointSpread


def airborne(name, gain, sam):
    return {
        "table": "airborne, x4, 1 bands",
        "method": name,
        "gain": gain,
        "sam": sam,
        "spline_sam": 4.0,
    }


def test_gains_are_judged_by_mean_and_worst_cube_and_spectra():
    rows = [airborne("a", 4.0, 3.0), airborne("b", 0.8, 3.8)]
    found = {each.name.split(", ", 3)[3]: each for each in check(rows)}
    assert found["mean gain over GSA"].measured == pytest.approx(2.4)
    assert not found["least gain over GSA"].passed
    assert found["a, spectra better than the spline's"].passed
    assert not found["b, spectra better than the spline's"].passed


def test_guides_are_judged_by_what_they_are():
    values = {"table": "eels", "told": 39.0, "spline": 38.0}
    rows = [
        values | {"method": "x2, true", "psnr": 41.0},
        values | {"method": "x2, shuffled", "psnr": 38.8},
        values | {"method": "x2, noisy", "psnr": 38.5},
    ]
    assert [each.passed for each in check(rows)] == [True, False, True]


def test_coverage_has_two_bounds():
    rows = [{"table": "counts", "method": "5 counts", "covered": 0.99}]
    assert [each.passed for each in check(rows)] == [True, False]


@pytest.mark.parametrize("kind", PSFS)
def test_point_spreads_have_unit_sum(kind):
    assert point_spread(kind, 4).kernel(12).sum() == pytest.approx(1)


def test_regression_beats_splines_where_the_guide_is_all_there_is(rng):
    guide = rng.normal(size=(40, 40, 1)).cumsum(0).cumsum(1)
    truth = guide * rng.uniform(1, 2, 6)
    grids = Grids.of_same_field((40, 40), (10, 10))
    d = Degradation(grids, PointSpread("gaussian", (4, 4)))
    coarse = d.forward(truth)
    sharp, smooth = gsa(coarse, guide, d), spline(coarse, grids)
    assert decibels(sharp, truth) > decibels(smooth, truth) + 30
    errors = [np.mean((cube - truth) ** 2) for cube in (sharp, smooth)]
    assert errors[0] < 1e-3 * errors[1]

"""Plans: what sets of shifts determine, what is missing, what is proposed."""

import numpy as np
import pytest

from sparsedecomp import plan_shifts
from sparsedecomp.datasets.stage_scans import SEED_STARTS
from sparsedecomp.plotting import plot_plan

NANOMETRES = (SEED_STARTS - SEED_STARTS.min(axis=0))[:, ::-1] * 1000


def grid(*places):
    return [(y, x) for y in places for x in places]


def test_the_published_scan_leaves_a_fifth_to_the_prior():
    plan = plan_shifts(500.0, NANOMETRES)
    assert (plan.rank, plan.n_unknowns, plan.n_distinct) == (180, 225, 6)
    assert plan.fine_step == pytest.approx(200)
    assert plan.amplification == pytest.approx(0.92, abs=0.005)
    assert "20 % of what the fine map can hold" in str(plan)
    assert "along the columns' axis" in str(plan)
    assert len(plan.missing) and plan.from_prior.sum() == pytest.approx(45)
    found = {(round(y), round(x)) for y, x in plan.proposal.shifts}
    assert found == set(grid(0, 167, 333))
    assert plan.proposal.rank == 225
    assert plan.proposal.condition == pytest.approx(1.0)


def test_even_sets_determine_everything():
    plan = plan_shifts(500.0, grid(0, 200, 400), propose=False)
    assert plan.rank == 225 and not len(plan.missing)
    assert plan.amplification == pytest.approx(1.0, abs=0.005)
    assert "All frequencies" in plan.describe_missing()


def test_a_wide_spot_amplifies_noise():
    sharp, wide = (
        plan_shifts(500.0, grid(0, 500 / 3, 1000 / 3), psf, 200.0, propose=False)
        for psf in (0.0, 150.0)
    )
    assert wide.amplification > 10 * sharp.amplification
    middle = len(wide.frequencies) // 2
    assert wide.by_frequency[middle, middle] < wide.by_frequency[0, 0]


def test_repeats_add_nothing_but_counts():
    once, twice = (plan_shifts(1.0, grid(0, 0.5) * n, propose=False) for n in (1, 2))
    assert once.rank == twice.rank and once.n_distinct == twice.n_distinct == 4
    assert twice.amplification == pytest.approx(once.amplification / np.sqrt(2))


def test_nothing_better_is_proposed_for_the_best():
    assert plan_shifts(1.0, grid(0, 0.5)).proposal is None


def test_picture_shows_shifts_and_frequencies():
    plan = plan_shifts(500.0, NANOMETRES)
    places, spectrum = plan.plot()
    assert len(places.collections) == 2
    drawn = spectrum.images[0].get_array()
    assert np.isnan(np.asarray(drawn)).sum() == len(plan.missing)
    assert plot_plan(plan, axes=(places, spectrum))[1] is spectrum


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, grid(0, 1)), "step=0.0 was given, expected a positive length"),
        ((1.0, [0.0, 0.5]), r"shape \(2,\), expected finite numbers"),
        ((1.0, [(0, np.inf)]), "expected finite numbers"),
        ((1.0, grid(0, 0.5), -1.0), "psf=-1.0"),
        ((1.0, grid(0, 0.5), 0.0, 2.0), "fine_step=2 was given for a step of 1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan_shifts(*arguments)

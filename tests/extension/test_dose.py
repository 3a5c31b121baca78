"""Thinned counts are Poisson counts; the dose plan finds where components are lost."""

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.dose import DosePlan, plan_dose, thinned
from sparsedecomp.plotting import plot_dose_plan


@pytest.fixture(scope="module")
def particles():
    return sparsedecomp.datasets.edx_particles(shape=(24, 24), n_channels=256)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_thinned_counts_have_mean_and_variance_of_a_smaller_dose(lazy, dtype):
    rng = np.random.default_rng(0)
    s = hs.signals.Signal1D(rng.poisson(8.0, (40, 50, 30)).astype(dtype))
    s.metadata.General.title = "counts"
    before = s.data.copy()
    signal = s.as_lazy() if lazy else s
    thin = signal.thin(0.25, random_state=1)
    assert thin._lazy == lazy and thin.metadata.General.title == "counts"
    assert thin.data.dtype == dtype
    data = np.asarray(thin.data, float)
    assert data.mean() == pytest.approx(2.0, abs=0.02)
    assert data.var() == pytest.approx(2.0, abs=0.05)
    assert (data <= s.data).all()
    again = np.asarray(signal.thin(0.25, random_state=1).data)
    np.testing.assert_array_equal(again, data)
    np.testing.assert_array_equal(s.data, before)
    # What is kept and what is lost are independent.
    lost = s.data.astype(float) - data
    assert abs(np.corrcoef(data.ravel(), lost.ravel())[0, 1]) < 0.02


def test_chunks_are_thinned_differently():
    s = hs.signals.Signal1D(np.full((8, 8, 40), 9)).as_lazy()
    s.rechunk(nav_chunks=(4, 4))
    data = s.thin(0.5, random_state=0).data.compute()
    assert not np.array_equal(data[:4, :4], data[4:, 4:])


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_impossible_fractions(fraction, particles):
    with pytest.raises(ValueError, match="expected a share"):
        particles.thin(fraction)
    with pytest.raises(ValueError, match="expected a share"):
        particles.dose_plan(3, fractions=[fraction])


def test_what_is_no_count_cannot_be_thinned(particles):
    with pytest.raises(ValueError, match="no counts"):
        (particles * 0.5).thin(0.5)
    with pytest.raises(ValueError, match="no counts"):
        (particles * 0.5).dose_plan(3, fractions=[0.5], show_progressbar=False)


def test_sparse_counts_are_thinned_without_explicit_zeros(rng):
    import scipy.sparse

    X = scipy.sparse.csr_array(rng.poisson(0.3, (200, 90)).astype(np.float32))
    kept = thinned(X, 0.5, rng)
    assert kept.dtype == np.float32 and np.all(kept.data > 0)
    assert kept.sum() == pytest.approx(X.sum() / 2, rel=0.05)
    assert (X - kept).min() >= 0


def test_components_survive_a_small_loss_and_no_large_one(particles):
    plan = particles.dose_plan(
        3, fractions=[0.002, 0.5], n_repeats=2, random_state=0, show_progressbar=False
    )
    assert plan.fractions.tolist() == [0.5, 0.002]
    assert plan.smallest == 0.5 and plan.angles[1].max() > plan.tolerance
    assert plan.angles[0].max() < 10 < plan.angles[1].max()
    assert plan.found[0].min() == 3 and plan.found[1].max() < 3
    total = particles.data.sum() / 576
    assert plan.counts_per_pixel == pytest.approx(total, rel=1e-5)
    text = str(plan)
    assert "0.5 of the dose" in text and "the same 3 components" in text
    again = particles.dose_plan(
        3, fractions=[0.002, 0.5], n_repeats=2, random_state=0, show_progressbar=False
    )
    np.testing.assert_array_equal(again.angles, plan.angles)


def test_number_of_components_is_estimated_and_fits_are_watched(particles):
    seen = []
    plan = plan_dose(
        as_blocks(particles.data), fractions=[0.5], n_repeats=1, random_state=0,
        watch=lambda *done: seen.append(done), max_iter=20,
    )  # fmt: skip
    assert plan.n_components == 3 and seen == [(1, 2), (2, 2)]


def test_counts_that_take_more_memory_are_refused(particles):
    with pytest.raises(ValueError, match="raise it, or plan with a part"):
        particles.dose_plan(3, memory=1000, show_progressbar=False)


def plan_of(*largest, tolerance=10.0):
    angles = np.array(largest, float)[:, None, None] * np.ones((1, 2, 3))
    fractions = 0.5 ** np.arange(1, len(largest) + 1)
    found = np.full((len(largest), 2), 3)
    found[-1, 0] = 2
    return DosePlan(3, fractions, 100.0, angles, found, tolerance)


def test_smallest_dose_ends_at_the_first_loss(tmp_path):
    assert plan_of(1, 5, 9).smallest == 0.125
    assert plan_of(1, 15, 9).smallest == 0.5
    assert plan_of(15, 1).smallest == 1.0
    assert "all of the dose is needed" in plan_of(15, 1).summary
    plan = plan_of(1, 5, 19)
    assert "25 counts per pixel" in plan.summary and "2 to 3" in str(plan)
    again = DosePlan.load(plan.save(tmp_path / "plan.h5"))
    np.testing.assert_array_equal(again.angles, plan.angles)
    assert again.smallest == 0.25


def test_picture_shows_every_component_and_the_limits():
    ax = plot_dose_plan(plan_of(1, 5, 19))
    labels = [text.get_text() for text in ax.get_legend().texts]
    assert labels == [f"component {k}" for k in range(3)] + [
        "tolerance",
        "smallest dose",
    ]
    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata(), [50, 25, 12.5])
    np.testing.assert_allclose(line.get_ydata(), [1, 5, 19])
    assert plan_of(15, 1).plot().get_xlabel() == "counts per pixel"

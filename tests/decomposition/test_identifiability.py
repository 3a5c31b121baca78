"""The report on an unmixing: refits, ambiguity band and residual."""

import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import NMFSO, NMFSOARD, VCA, unmixing_report
from sparsedecomp.decomposition.identifiability.report import Refit


def peaks(centres, width=4, m=100):
    return np.exp(-0.5 * ((np.arange(m) - np.array(centres)[:, None]) / width) ** 2)


@pytest.fixture
def clear(rng):
    """Counts of three phases with separate lines, and their spectra."""
    spectra = 2000 * peaks([20, 50, 80])
    return rng.poisson(rng.dirichlet(np.full(3, 0.3), 800) @ spectra), spectra


@pytest.fixture
def ambiguous(rng):
    """Mixtures from 25 to 75 % of two phases whose lines overlap."""
    share = rng.uniform(0.25, 0.75, (800, 1))
    spectra = 3000 * peaks([40, 60], 8)
    return rng.poisson(np.hstack([share, 1 - share]) @ spectra), spectra


def test_phases_with_separate_lines_and_pure_pixels_are_determined(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=3, n_resamples=4, random_state=0
    )
    assert report.determined.all() and report.agreement == 1
    assert report.verdict == "All 3 components are determined by the data."
    assert np.all(report.start_angles < 1) and np.all(report.resample_angles < 2)
    assert np.all(report.band < 5) and not report.shared_background
    assert report.energy.sum() == pytest.approx(1)
    assert min(fit.excess for fit in report.starts) == 0
    assert report.residual.white


def test_mixtures_without_pure_pixels_are_ambiguous(ambiguous):
    X, spectra = ambiguous
    report = unmixing_report(X, NMFSO(2), n_starts=2, n_resamples=3, random_state=0)
    # The purest pixel is far from the true spectrum; the cone of non-negative
    # mixtures contains it.
    assert np.all(report.band > 10)
    assert "no pixel is nearly free of all but one" in report.verdict
    assert "components 0, 1 move by up to" in report.verdict


def test_equally_good_fit_with_other_spectra_makes_a_component_undetermined(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=2, n_resamples=0, random_state=0
    )
    angles = np.array([1.0, 30.0, 1.0])
    good = Refit(3, angles, report.components, excess=report.tie)
    poor = Refit(3, 2 * angles, report.components, excess=2 * report.tie)
    starts = [*report.starts, good, poor]
    other = type(report)(**(vars(report) | {"starts": starts}))
    assert other.determined.tolist() == [True, False, True]
    assert other.start_angles[1] == 30
    assert other.verdict.startswith("Not determined: component 1 moves by more than 5")
    assert "3 of 4 starts" in other.ties


def test_refits_with_fewer_components_are_reported(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=1, n_resamples=0, random_state=0
    )
    fewer = Refit(2, np.array([0.0, np.nan, 0.0]), report.components)
    other = type(report)(**(vars(report) | {"resamples": [fewer] * 4}))
    assert other.agreement == 0.2
    assert "number of components is not determined: 20% of the refits" in other.verdict
    # A component without a match counts as orthogonal.
    assert other.resample_angles[1] == 90


def test_one_component_too_few_leaves_structure_in_the_residual(clear):
    report = unmixing_report(
        clear[0], NMFSO(2), n_starts=1, n_resamples=1, random_state=0
    )
    assert not report.residual.white
    # Even if both components are reproducible, the model is incomplete.
    assert "above the noise" in report.verdict
    assert "are determined by the data" not in report.verdict


def test_given_components_and_maps_are_the_reference(clear):
    X, _ = clear
    model = NMFSO(3, random_state=0)
    maps = model.fit_transform(X)
    order = [2, 0, 1]
    report = unmixing_report(
        X,
        NMFSO(3),
        model.components_[order],
        maps[:, order],
        n_starts=1,
        n_resamples=1,
        random_state=0,
    )
    np.testing.assert_array_equal(report.components, model.components_[order])
    assert np.all(report.start_angles < 1)
    with pytest.raises(ValueError, match="Only one of `components` and `maps`"):
        unmixing_report(X, NMFSO(3), model.components_)


@pytest.mark.parametrize("estimator", [VCA(3), NMFSOARD(6)])
def test_any_unmixing_estimator_is_accepted(clear, estimator):
    report = unmixing_report(
        clear[0], estimator, n_starts=1, n_resamples=1, random_state=0
    )
    assert report.n_components == 3
    assert estimator.random_state is None


def test_callback_can_end_the_fits(clear):
    seen = []

    def callback(done, of):
        seen.append((done, of))
        return done == 2

    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=1, n_resamples=5, random_state=0, callback=callback
    )
    assert seen == [(1, 7), (2, 7)]
    assert len(report.starts) == 1 and not report.resamples
    assert np.isnan(report.resample_angles).all()


def test_former_name_of_the_callback_is_deprecated(clear):
    with pytest.warns(FutureWarning, match="watch is deprecated .* use callback"):
        report = unmixing_report(
            clear[0], NMFSO(3), random_state=0, watch=lambda done, of: True
        )
    assert not report.starts and not report.resamples


def test_scaled_and_masked_data_are_accepted(clear):
    X = clear[0].reshape(20, 40, 100)
    mask = np.zeros((20, 40), bool)
    mask[:3] = True
    blocks = as_blocks(X, navigation_mask=mask).poisson_scaled()
    report = unmixing_report(
        blocks, NMFSO(3), n_starts=1, n_resamples=1, random_state=0
    )
    assert report.navigation_shape == (20, 40)
    assert report.rows.tolist() == list(range(120, 800))
    assert report.residual.map.shape == (680,) and report.residual.white


def test_refits_use_a_bounded_number_of_pixels(clear, monkeypatch):
    from sparsedecomp.decomposition.identifiability import unmixing

    monkeypatch.setattr(unmixing, "SAMPLE_BYTES", 200 * 100 * 4)
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=1, n_resamples=1, random_state=0
    )
    assert report.n_sampled == 200
    assert report.residual.map.shape == (800,)


def test_report_prints_verdict_and_table(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=1, n_resamples=1, random_state=0
    )
    lines = str(report).splitlines()
    assert lines[0] == report.verdict
    assert lines[2].split()[:3] == ["component", "energy", "starts"]
    assert len(report.table()) == 4
    assert report._repr_html_().count("<tr>") == 4


def test_former_name_of_the_residual_warns(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=0, n_resamples=0, random_state=0
    )
    with pytest.warns(FutureWarning, match="UnmixingReport.residual"):
        assert report.left is report.residual


def test_other_methods_and_the_noise_are_asked(clear):
    report = unmixing_report(
        clear[0], NMFSO(3), n_starts=0, n_resamples=0, random_state=0
    )
    assert set(report.others) == {"min_volume", "mcr_als", "simplex_ml"}
    assert all(np.max(fit.angles) < 2 for fit in report.others.values())
    assert report.n_above_noise == 3
    assert "3 components rise above the noise." in str(report)
    assert "other methods: min_volume" in str(report)


def test_more_components_than_were_fitted_are_found(clear):
    report = unmixing_report(
        clear[0], NMFSOARD(2), n_starts=0, n_resamples=0, random_state=0
    )
    assert "3 components rise above the noise, not 2." in report.verdict


@pytest.mark.parametrize("scaled", [False, True])
def test_bands_cover_the_spectra_in_their_scale(clear, scaled):
    X, spectra = clear
    blocks = as_blocks(X)
    blocks = blocks.poisson_scaled() if scaled else blocks
    report = unmixing_report(
        blocks, NMFSO(3), n_starts=0, n_resamples=0, random_state=0
    )
    truth = spectra / (blocks.column_scale if scaled else 1)
    unit = report.components / np.linalg.norm(report.components, axis=1, keepdims=True)
    half = report.half_width / np.linalg.norm(report.components, axis=1, keepdims=True)
    truth = truth / np.linalg.norm(truth, axis=1, keepdims=True)
    order = np.argmax(truth @ unit.T, axis=1)
    covered = np.abs(unit[order] - truth) <= half[order]
    assert 0.75 < covered[truth > 0.01].mean() and half.max() < 0.1

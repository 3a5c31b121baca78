"""Fine coefficients against dense oracles, and `fuse` against a known truth."""

from dataclasses import replace

import numpy as np
import pytest

from sparsedecomp.fusion import (
    METHODS,
    Degradation,
    Grids,
    PointSpread,
    Problem,
    fuse,
    subspace_of,
)
from sparsedecomp.fusion.process.components import Window
from sparsedecomp.fusion.process.evidence import fit_amplitudes
from sparsedecomp.fusion.process.model import guided_components, spatial_components
from sparsedecomp.fusion.process.posterior import Process


def decibels(found, truth):
    error = np.mean((found - truth) ** 2, axis=(0, 1))
    return np.mean(10 * np.log10(truth.max(axis=(0, 1)) ** 2 / error))


@pytest.fixture(scope="module")
def problem(simulated, grids, blur):
    _, coarse, guide = simulated
    return Problem(subspace_of(coarse), guide[..., None], Degradation(grids, blur))


@pytest.fixture(scope="module")
def automatic(simulated):
    _, coarse, guide = simulated
    return fuse(coarse, guide)


def test_subspace_holds_the_signal_and_the_noise(simulated):
    _, coarse, _ = simulated
    found = subspace_of(coarse)
    assert found.n_coefficients == 3
    assert np.sqrt(found.variance.mean()) == pytest.approx(0.01, rel=0.1)
    error = found.cube(found.maps) - coarse
    assert np.sqrt(np.mean(error**2)) == pytest.approx(0.01, rel=0.1)
    assert found.lost.mean() < 0.1 * found.residual.mean()


def test_poisson_cube_has_noise_that_follows_its_counts(simulated):
    truth, coarse, _ = simulated
    counts = np.random.default_rng(0).poisson(np.maximum(20 * coarse, 0))
    found = subspace_of(counts)
    assert found.noise.kind == "poisson"
    r = np.corrcoef(found.variance.ravel(), counts.sum(axis=-1).ravel())[0, 1]
    assert r > 0.99


def dense(component, degradation, pixels):
    """Covariance of some fine pixels with all coarse ones, by the definition."""
    return component.cross(pixels, np.arange(degradation.grids.n_coarse))


@pytest.mark.parametrize("step", [4, 2.5])
def test_components_predict_what_their_covariance_says(rng, step):
    h = int(40 // step)
    grids = Grids((40, 40), (h, h), (step, step), ((step - 1) / 2,) * 2)
    d = Degradation(grids, PointSpread("gaussian", (step, step)))
    guide = rng.normal(size=(40, 40, 2)).cumsum(0).cumsum(1)
    cube = d.forward(guide) @ rng.normal(size=(2, 8)) + rng.normal(size=(h, h, 8))
    problem = Problem(subspace_of(cube), guide, d)
    window = Window((slice(0, h), slice(0, h)), (slice(8, 20), slice(5, 30)))
    rows, columns = (np.arange(s.start, s.stop) for s in window.fine)
    pixels = np.column_stack(
        [np.repeat(rows, len(columns)), np.tile(columns, len(rows))]
    )
    weights = rng.normal(size=(h * h, 2))
    for component in guided_components(problem, textured=True):
        K = component.cross(pixels, np.arange(h * h))
        found = component.predict(window, weights).reshape(len(pixels), 2)
        np.testing.assert_allclose(
            found, K @ weights, atol=0.02 * np.abs(K @ weights).max()
        )
        n = np.arange(h * h)
        own = component.covariance(n, n)
        assert np.linalg.eigvalsh(own).min() > -1e-3 * np.trace(own) / len(n)


def test_guided_covariance_is_that_of_degraded_features(problem):
    d = problem.degradation
    component = guided_components(problem, textured=False)[2]
    rows, columns = np.mgrid[: d.grids.fine[0], : d.grids.fine[1]]
    every = np.column_stack([rows.ravel(), columns.ravel()])
    n = np.arange(d.grids.n_coarse)
    np.testing.assert_allclose(
        d.matrix @ component.cross(every, n), component.covariance(n, n), atol=1e-10
    )


def test_evidence_finds_the_variances_that_data_were_drawn_with(rng):
    at = rng.uniform(0, 30, 250)
    K = [np.exp(-np.abs(at[:, None] - at) / 3), np.outer(at, at) / np.mean(at**2)]
    total = 0.6 * K[0] + 0.3 * K[1] + 0.05 * np.eye(250)
    y = np.linalg.cholesky(total) @ rng.normal(size=250)
    found = fit_amplitudes(y, K, np.ones(250), 0.05)
    assert 0.3 < found.parts[0] < 1.2
    assert 0.02 < found.noise < 0.1
    assert 0.8 < found.calibration < 1.2


def test_left_out_errors_are_those_of_refits(problem):
    process = Process.fit(problem, spatial_components(problem))
    amplitudes = process.amplitudes[0]
    n = np.arange(problem.flat.shape[0])
    K = sum(
        a * c.covariance(n, n)
        for a, c in zip(amplitudes.parts, process.components, strict=True)
    )
    K = K + amplitudes.noise * np.diag(problem.noise / problem.noise.mean())
    y = problem.flat[:, 0] / problem.scale[0]
    errors = []
    for i in n[:20]:
        other = n != i
        mean = K[i, other] @ np.linalg.solve(K[np.ix_(other, other)], y[other])
        errors.append(y[i] - mean)
    inverse = np.linalg.inv(K)
    np.testing.assert_allclose(errors, (inverse @ y / np.diag(inverse))[:20], atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "auto"])
def test_every_method_beats_or_equals_splines(name, problem, simulated):
    truth = simulated[0]
    solution = METHODS[name].load()(problem)
    baseline = METHODS["interpolation"].load()(problem)
    found = decibels(problem.subspace.cube(solution.maps), truth)
    spline = decibels(problem.subspace.cube(baseline.maps), truth)
    assert found > spline + (1.0 if METHODS[name].guided else -0.3)
    if solution.variance is not None:
        assert (solution.variance > 0).all()


def test_auto_accepts_a_true_guide_and_sharpens(automatic, simulated, problem):
    truth = simulated[0]
    assert automatic.method == "guided_process"
    assert automatic.verdict.outcome == "accepted"
    assert automatic.verdict.gains["spatial_process"] > 1.5
    found = automatic.cube()
    spline = problem.subspace.cube(METHODS["interpolation"].load()(problem).maps)
    assert decibels(found, truth) > decibels(spline, truth) + 1.5
    np.testing.assert_allclose(automatic.degradation.psf.width, 4, atol=0.3)


def test_errors_are_within_two_deviations(automatic, simulated):
    wrong = np.abs(automatic.cube() - simulated[0]) / automatic.deviation()
    assert 0.85 < np.mean(wrong < 2) < 0.995


def test_wrong_guide_is_rejected_and_costs_nothing(simulated):
    truth, coarse, guide = simulated
    found = fuse(coarse, guide[::-1])
    alone = fuse(coarse, guide, method="spatial_process")
    assert found.verdict.outcome == "rejected"
    assert "would fit upside down" in found.verdict.describe()
    assert decibels(found.cube(), truth) > decibels(alone.cube(), truth) - 0.1


def test_inverted_guide_is_used_and_its_sign_is_told(simulated, automatic):
    truth, coarse, guide = simulated
    found = fuse(coarse, 5 - guide, psf=automatic.degradation.psf)
    assert found.verdict.sign == -automatic.verdict.sign == -1
    assert "inverted" in found.verdict.describe()
    assert decibels(found.cube(), truth) > decibels(automatic.cube(), truth) - 0.3


def test_noise_of_the_guide_does_not_make_the_answer_worse(simulated, problem):
    truth, coarse, guide = simulated
    noise = 0.3 * guide.std() * np.random.default_rng(5).normal(size=guide.shape)
    found = fuse(coarse, guide + noise, psf=problem.degradation.psf)
    spline = problem.subspace.cube(METHODS["interpolation"].load()(problem).maps)
    assert decibels(found.cube(), truth) > decibels(spline, truth) - 0.1


@pytest.fixture(scope="module")
def larger(make_scene):
    """A larger scene: truth, coarse cube and guide."""
    maps, spectra = make_scene(size=96)
    truth = maps @ spectra
    grids = Grids.of_same_field((96, 96), (24, 24))
    rng = np.random.default_rng(1)
    coarse = Degradation(grids, PointSpread("box", (4.0, 4.0))).forward(truth)
    coarse = coarse + 0.01 * rng.normal(size=coarse.shape)
    return truth, coarse, truth @ rng.uniform(size=(40, 2)) / 40


def test_patch_that_lies_is_found_and_costs_little(larger):
    truth, coarse, guide = larger
    lie = guide.copy()
    place = slice(40, 72), slice(24, 56)
    lie[place] = guide[place][::-1, ::-1]
    psf = PointSpread("box", (4.0, 4.0))
    found = fuse(coarse, lie, psf=psf)
    alone = fuse(coarse, lie, psf=psf, method="spatial_process")
    assert found.verdict.outcome == "accepted in part"
    assert found.untrusted[11:17, 7:13].mean() > 0.8
    assert found.untrusted.mean() < 0.4
    inside = [decibels(f.cube()[place], truth[place]) for f in (found, alone)]
    assert inside[0] > inside[1] - 1
    assert decibels(found.cube(), truth) > decibels(alone.cube(), truth) + 0.3


def test_true_guide_is_trusted_everywhere(automatic):
    assert automatic.untrusted is None


def test_total_variation_keeps_to_data_and_first_answer(problem, simulated):
    from sparsedecomp.fusion.solvers.process import guided_process
    from sparsedecomp.fusion.solvers.variational import total_variation

    truth, first = simulated[0], guided_process(problem)
    polished = total_variation(problem, first)
    before, after = (
        decibels(problem.subspace.cube(s.maps), truth) for s in (first, polished)
    )
    assert after > before - 0.1
    misfit = problem.degradation.forward(polished.maps) - problem.maps
    assert np.sqrt(np.mean(misfit**2)) < 4 * np.sqrt(problem.noise.mean())
    far = total_variation(problem, first, weight=5.0)
    gradients = [np.abs(np.diff(s.maps, axis=0)).sum() for s in (far, polished)]
    assert gradients[0] < gradients[1]


def test_steps_that_are_not_whole_have_no_total_variation(rng):
    grids = Grids.of_same_field((30, 30), (12, 12))
    d = Degradation(grids, PointSpread("box", (2.5, 2.5)))
    guide = rng.normal(size=(30, 30, 1)).cumsum(0).cumsum(1)
    problem = Problem(subspace_of(d.forward(guide) * np.ones(8) + 1), guide, d)
    with pytest.raises(ValueError, match="step of whole pixels"):
        METHODS["total_variation"].load()(problem)


def test_point_spread_of_a_curved_guide_is_chosen_by_evidence(problem):
    from sparsedecomp.fusion.choice import _with_point_spread

    curved = np.exp(4 * problem.guide / problem.guide.max())
    estimate, found = _with_point_spread(replace(problem, guide=curved))
    assert len(estimate.evidence) >= 3
    best = max(estimate.evidence, key=estimate.evidence.get)
    assert best == found.degradation.psf.describe()


def test_tiles_agree_with_the_whole_field(problem, monkeypatch):
    from sparsedecomp.fusion.process import posterior

    process = Process.fit(problem, spatial_components(problem))
    whole = process.posterior(problem).maps
    monkeypatch.setattr(posterior, "_MOST", 50)
    monkeypatch.setattr(posterior, "_TILE", 9)
    monkeypatch.setattr(posterior, "_OVERLAP", 6)
    parts = process.posterior(problem).maps
    assert np.sqrt(np.mean((parts - whole) ** 2)) < 0.05 * whole.std()


def test_same_data_give_the_same_bits(simulated):
    _, coarse, guide = simulated
    first, again = (fuse(coarse, guide, method="spatial_process") for _ in range(2))
    np.testing.assert_array_equal(again.maps, first.maps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, g: (c, np.full_like(g, 3)), "constant"),
        (lambda c, g: (c, np.minimum(g, np.median(g) - 0.1)), "saturated"),
        (lambda c, g: (c, np.where(g == g.max(), np.nan, g)), "NaN or infinite"),
        (lambda c, g: (np.where(c == c.max(), np.nan, c), g), "NaN"),
        (lambda c, g: (c, g[:12, :12]), "not finer than the cube"),
        (lambda c, g: (c[:3], g), "at least 4"),
        (lambda c, g: (c[..., 0], g), "rows, columns, channels"),
    ],
)
def test_bad_input_is_refused_with_advice(simulated, change, message):
    _, coarse, guide = simulated
    with pytest.raises(ValueError, match=message):
        fuse(*change(coarse, guide))


def test_negative_counts_are_refused(simulated):
    _, coarse, guide = simulated
    with pytest.raises(ValueError, match="noise='poisson' needs counts"):
        fuse(coarse - 1, guide, noise="poisson")


def test_complex_guide_is_refused(simulated):
    with pytest.raises(TypeError, match="real numbers"):
        fuse(simulated[1], simulated[2] + 1j)


def test_unknown_method_and_parameter_are_refused(simulated):
    _, coarse, guide = simulated
    with pytest.raises(ValueError, match="expected one of 'auto'"):
        fuse(coarse, guide, method="magic")
    with pytest.raises(TypeError, match="takes no parameters"):
        fuse(coarse, guide, method="regression", wobble=1)

"""Solvers on frames of known truth: what each can do, and how a method is chosen."""

import warnings

import numpy as np
import pytest

from sparsedecomp.kernels.total_variation import variation
from sparsedecomp.superresolution import (
    FrameOperator,
    Geometry,
    Process,
    compound_mrf,
    interpolate,
    posterior,
    resolve,
    tikhonov,
    total_variation,
)
from sparsedecomp.superresolution.mapping import solve
from sparsedecomp.superresolution.methods import METHODS
from sparsedecomp.superresolution.selection import Trial, held_out_samples
from sparsedecomp.superresolution.solvers.variational import objective

from ...naive.frames import SHIFTS, error_of, frames, scene

THIRDS = np.array([(y, x) for y in (0, 1 / 3, 2 / 3) for x in (0, 1 / 3, 2 / 3)])


def truth_on(geometry):
    rows, columns = (
        np.arange(n) / geometry.scale + o
        for n, o in zip(geometry.shape, geometry.origin, strict=True)
    )
    return scene(rows[:, None], columns)


def rmse(found, expected, border=4):
    inner = (slice(border, -border),) * 2
    return float(np.sqrt(np.mean((found - expected)[inner] ** 2)))


@pytest.fixture(scope="module")
def edges():
    """Frames of a step that two factors share, with noise; and the truth."""
    geometry = Geometry.around(THIRDS, (16, 16), 2.5)
    truth = np.zeros((*geometry.shape, 2), np.float32)
    truth[12:30, 9:25] = (4, 2)
    A = FrameOperator(geometry)
    noise = np.random.default_rng(0).normal(size=(9, 16, 16, 2))
    return A, (A.forward(truth) + noise).astype(np.float32), truth


def test_posterior_is_the_conditional_mean_of_all_samples():
    geometry = Geometry.around([(0, 0), (0.5, 0.3)], (5, 6), 2)
    process = Process(2.0, 0.1, (1.2, 0.9), 5, 1.0)
    Y = np.random.default_rng(0).normal(size=(2, 5, 6, 1))
    mask = np.zeros((2, 5, 6), bool)
    mask[0, 2, 2] = True
    rows, columns = (geometry.positions(a) / 2 for a in (0, 1))
    places = np.stack(np.broadcast_arrays(rows[:, :, None], columns[:, None]), axis=-1)[
        ~mask
    ]
    fine = np.stack(np.indices(geometry.shape), -1).reshape(-1, 2) / 2
    cross = process.signal(fine, places)
    gain = np.linalg.solve(process.samples(places), cross.T).T
    level = Y[~mask].mean()
    expected = level + gain @ (Y[~mask] - level)
    variance = 3.0 - np.einsum("ij,ij->i", gain, cross)
    mean, deviation = posterior(geometry, Y, [process], mask)
    # Two frames of five by six are one tile with its surroundings.
    np.testing.assert_allclose(mean.ravel(), expected.ravel(), atol=1e-8)
    np.testing.assert_allclose(deviation.ravel() ** 2, variance, atol=1e-8)


@pytest.mark.parametrize("scale", [2.0, 2.5, 2.37])
def test_tiles_of_the_posterior_leave_no_seam(scale):
    geometry = Geometry.around(THIRDS, (26, 26), scale)
    Y = frames(THIRDS, 26, noise=0.02)
    mean, deviation = posterior(geometry, Y, [Process(0.6, 4e-4, (1.5, 1.5), 5)])
    assert rmse(mean[..., 0], truth_on(geometry)) < 0.02
    # The noise that the deviation speaks of is the error that there is.
    z = (mean[..., 0] - truth_on(geometry)) / deviation[..., 0]
    assert 0.5 < z[4:-4, 4:-4].std() < 1.5


def test_total_variation_finds_the_least_objective(edges):
    A, Y, truth = edges
    Y = Y.astype(float)
    found = total_variation(A, Y, 0.8, max_iter=2000, tol=1e-6)
    assert found.converged and len(found.history) < 2000
    least = objective(A, Y, 0.8, found.x)
    rng = np.random.default_rng(1)
    for size in (1e-3, 1e-2):
        for x in (
            found.x + size * rng.normal(size=found.x.shape),
            found.x + size * (truth - found.x),
        ):
            assert objective(A, Y, 0.8, x) > least
    assert rmse(found.x, truth) < 0.7 * rmse(tikhonov(A, Y, 0.5).x, truth)


def test_factors_share_their_edges(edges):
    A, Y, truth = edges
    together = total_variation(A, Y, 1.0).x[..., 1:]
    alone = total_variation(A, Y[..., 1:], 1.0).x
    assert rmse(together, truth[..., 1:]) < rmse(alone, truth[..., 1:])


def test_tikhonov_solves_its_normal_equations(edges):
    A, Y, _ = edges
    Y = Y[..., :1].astype(float)
    found = tikhonov(A, Y, 0.3, tol=1e-9, max_iter=500)

    def value(x):
        residual = (A.forward(x) - Y)[~A.mask]
        slopes = sum(np.square(np.diff(x, axis=axis)).sum() for axis in (0, 1))
        return np.square(residual).sum() + 0.3 * slopes

    move = np.random.default_rng(0).normal(size=found.x.shape)
    high, low = value(found.x + 1e-4 * move), value(found.x - 1e-4 * move)
    assert abs(high - low) / (2e-4) < 1e-5 * value(found.x)


def test_solvers_say_when_they_stop_early(edges):
    A, Y, _ = edges
    with pytest.warns(UserWarning, match="stopped after 3 iterations"):
        total_variation(A, Y, 1.0, max_iter=3)
    seen = []
    with pytest.warns(UserWarning, match="stopped after 2"):
        total_variation(A, Y, 1.0, callback=lambda i, c: seen.append(c) or i == 1)
    assert len(seen) == 2


@pytest.mark.parametrize("solver", [total_variation, tikhonov, compound_mrf])
def test_an_interrupted_solver_keeps_its_map(edges, solver):
    A, Y, _ = edges
    start = tikhonov(A, Y, 1.0).x
    if solver is tikhonov:
        start[:] = 0

    def interrupt(iteration, change):
        if iteration == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="stopped after 3 iterations"):
        found = solver(A, Y, 1, start=start, callback=interrupt)
    assert found.interrupted and not found.converged and len(found.history) == 3
    assert np.isfinite(found.x).all() and np.any(found.x != start)

    def at_once(iteration, change):
        raise AssertionError("not reached")

    class Interrupted:
        mask, geometry = A.mask, A.geometry

        def forward(self, x):
            raise KeyboardInterrupt

        adjoint = A.adjoint
        norm = A.norm

    with pytest.raises(KeyboardInterrupt):
        solver(Interrupted(), Y, 1, start=start, callback=at_once)


def test_interrupting_the_choice_of_a_weight_interrupts_everything(edges, monkeypatch):
    A, Y, _ = edges
    trial = Trial(A, Y, [Process(1.0, 1.0, (2.0, 2.0))] * 2)
    kept = tikhonov(A, Y, 1.0)._replace(interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        trial.select_weight(lambda *args, **options: kept, 1.0, None)


def test_pieces_give_the_solution_of_the_whole(edges, monkeypatch):
    from sparsedecomp.superresolution import mapping

    A, Y, _ = edges
    start = np.zeros((*A.geometry.shape, 2), np.float32)
    whole, _ = solve(tikhonov, A, Y, weight=0.2, start=start)
    monkeypatch.setattr(mapping, "_AT_ONCE", 1600)
    pieces, _ = solve(tikhonov, A, Y, weight=0.2, start=start)
    np.testing.assert_allclose(pieces, whole, atol=2e-3)


def test_interpolation_goes_through_samples_and_averages_repeats():
    geometry = Geometry.around([(0, 0), (0, 0), (0.5, 0.5)], (8, 8), 2)
    Y = frames([(0, 0), (0, 0), (0.5, 0.5)], 8, noise=0)
    Y[0] += 0.1
    Y[1] -= 0.1
    x = interpolate(geometry, Y)
    np.testing.assert_allclose(x[::2, ::2], (Y[0] + Y[1]) / 2, atol=1e-9)
    np.testing.assert_allclose(x[1::2, 1::2], Y[2], atol=1e-9)


def test_a_sixteenth_of_the_samples_is_held_out():
    mask = np.zeros((9, 16, 20), bool)
    out = held_out_samples(mask)
    assert out.mean() == 1 / 16
    assert len({tuple(np.argwhere(frame)[0]) for frame in out}) == 9


def test_weight_chosen_is_near_the_best(edges):
    A, Y, truth = edges
    trial = Trial(A, Y, [Process(1.0, 1.0, (2.0, 2.0))] * 2)
    weight = trial.score(METHODS["vtv"])["weight"]
    errors = {
        w: rmse(total_variation(A, Y, w, max_iter=400).x, truth)
        for w in (weight, 0.25, 0.5, 1.0, 2.0, 4.0)
    }
    assert errors[weight] < 1.1 * min(errors.values())


def test_resolve_finds_shifts_and_beats_interpolation():
    rng = np.random.default_rng(3)
    nominal = SHIFTS + 0.08 * rng.normal(size=SHIFTS.shape)
    nominal += (SHIFTS - nominal).mean(axis=0)
    Y = frames(noise=0.1)
    found = resolve(Y, nominal, 2.0)
    as_nominal = resolve(Y, nominal, 2.0, registration=False)
    truth = truth_on(found.geometry)
    assert found.registration.accepted and error_of(found.geometry.shifts) < 0.03
    assert rmse(found.maps[..., 0], truth) < 0.8 * rmse(as_nominal.maps[..., 0], truth)
    baseline = interpolate(found.geometry, Y)[..., 0]
    assert rmse(found.maps[..., 0], truth) < 0.8 * rmse(baseline, truth)
    assert found.scores[found.method] < found.scores["interpolation"]


@pytest.mark.parametrize(
    "method", ["vtv", "tikhonov", "interpolation", "oriented_process"]
)
def test_methods_by_name(method):
    Y = frames(noise=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = resolve(Y, SHIFTS, 2.0, method=method, registration=False)
    assert found.method == method
    assert (found.weight is None) == (method not in ("vtv", "tikhonov"))
    assert rmse(found.maps[..., 0], truth_on(found.geometry)) < 0.15


def test_what_is_put_to_zero_comes_nearer_to_a_truth_above_it():
    noise = frames(noise=0.3) - frames(noise=0)
    geometry = Geometry.around(SHIFTS, noise.shape[1:3], 2.0)
    truth = np.maximum(truth_on(geometry), 0)
    Y = FrameOperator(geometry).forward(truth[..., None]) + noise
    options = {"method": "gaussian_process", "registration": False}
    free, found = (
        resolve(Y, SHIFTS, 2.0, nonnegative=n, **options) for n in (False, True)
    )
    np.testing.assert_array_equal(found.maps, np.maximum(free.maps, 0))
    below = np.sqrt(np.mean(np.minimum(free.maps / free.noise, 0) ** 2))
    assert found.clipped == pytest.approx(below) and free.clipped == 0
    assert rmse(found.maps[..., 0], truth) < rmse(free.maps[..., 0], truth)


def test_point_spread_is_taken_off():
    geometry = Geometry.around(THIRDS, (18, 18), 3)
    truth = np.zeros((*geometry.shape, 1), np.float32)
    truth[15:34, 20:40] = 10
    A = FrameOperator(geometry, psf=1.2)
    noise = np.random.default_rng(0).normal(size=(9, 18, 18, 1))
    Y = (A.forward(truth) + 0.2 * noise).astype(np.float32)
    sharp, blurred = (
        resolve(Y, THIRDS, 3, psf=psf, registration=False) for psf in (1.2, 0.0)
    )
    assert sharp.method == "vtv"
    assert rmse(sharp.maps, truth) < 0.7 * rmse(blurred.maps, truth)
    assert variation(sharp.maps) < 1.2 * variation(truth)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "kriging"}, "method='kriging' is unknown, expected one of 'auto'"),
        ({"Y": frames()[:1]}, "1 frame was given, expected at least two"),
        ({"scale": 0.5}, "expected at least 1"),
        ({"psf": 30.0}, "wider than the field"),
    ],
)
def test_bad_input(change, message):
    given = {"Y": frames(), "shifts": SHIFTS, "scale": 2.0, "registration": False}
    with pytest.raises(ValueError, match=message):
        resolve(**(given | change))


def test_nan_is_named_and_may_be_masked():
    Y = frames()
    Y[2, 5, 7] = np.nan
    with pytest.raises(
        ValueError, match="Frame 2 is NaN or infinite at row 5, column 7"
    ):
        resolve(Y, SHIFTS)
    found = resolve(Y, SHIFTS, mask=np.isnan(Y[..., 0]), registration=False)
    assert np.isfinite(found.maps).all()
    assert rmse(found.maps[..., 0], truth_on(found.geometry)) < 0.1

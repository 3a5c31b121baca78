"""The compound random field: its steps, its hyper-parameters, and where it is best."""

import numpy as np
import pytest

from sparsedecomp.superresolution import (
    FrameOperator,
    Geometry,
    compound_mrf,
    resolve,
    tikhonov,
    total_variation,
)
from sparsedecomp.superresolution.solvers.compound_field import (
    _STENCILS,
    _add_transpose,
    _conjugate_gradients,
    _difference,
    _Field,
)

THIRDS = np.array([(y, x) for y in (0, 1 / 3, 2 / 3) for x in (0, 1 / 3, 2 / 3)])


def rmse(found, expected, border=3):
    inner = (slice(border, -border),) * 2
    return float(np.sqrt(np.mean((found - expected)[inner] ** 2)))


@pytest.fixture(scope="module")
def blocks():
    """Frames of blocks of two factors, with noise of variance 1; the truth."""
    rng = np.random.default_rng(0)
    geometry = Geometry.around(THIRDS, (20, 20), 2.5)
    truth = np.zeros((*geometry.shape, 2), np.float32)
    for _ in range(12):
        (i, j), (h, w) = rng.integers(0, 40, 2), rng.integers(5, 20, 2)
        truth[i : i + h, j : j + w] += rng.normal(0, 4, 2)
    A = FrameOperator(geometry)
    noise = rng.normal(size=(9, 20, 20, 2))
    return A, (A.forward(truth) + noise).astype(np.float32), truth


@pytest.fixture(scope="module")
def found(blocks):
    A, Y, _ = blocks
    return compound_mrf(A, Y, start=smooth(A, Y))


def smooth(A, Y):
    return tikhonov(A, Y, 0.3, max_iter=300).x


@pytest.mark.parametrize("order", [1, 2])
def test_differences_and_their_transpose(order, rng):
    x = rng.normal(size=(9, 8, 3))
    for stencil in _STENCILS[order]:
        d = rng.normal(size=_difference(x, stencil).shape)
        back = np.zeros_like(x)
        _add_transpose(d, stencil, back)
        assert np.vdot(_difference(x, stencil), d) == pytest.approx(np.vdot(x, back))
        # What is smooth to this order has none.
        y, z = np.mgrid[:9, :8]
        flat = (np.ones_like(y) if order == 1 else 2.0 * y - z)[..., None].astype(float)
        assert np.abs(_difference(flat, stencil)).max() < 1e-12


def test_curvature_does_not_know_directions():
    y, x = np.mgrid[:6, :6].astype(float)
    total = [
        sum(np.square(_difference(z[..., None], s)).mean() for s in _STENCILS[2])
        for z in (x * x, 0.5 * (x + y) ** 2)
    ]
    assert total[0] == pytest.approx(4) == total[1]


def test_every_factor_has_steps_of_its_own(rng):
    B = rng.normal(size=(2, 30, 30))
    systems = np.stack([b @ b.T + 30 * np.eye(30) * k for k, b in enumerate(B, 1)])
    right = rng.normal(size=(5, 6, 2))

    def normal(x):
        flat = np.einsum("kij,jk->ik", systems, x.reshape(30, 2))
        return flat.reshape(5, 6, 2)

    x = _conjugate_gradients(normal, right, np.zeros((5, 6, 2)), 1e-10)
    np.testing.assert_allclose(normal(x), right, atol=1e-8)


@pytest.mark.parametrize("order", [1, 2])
def test_draws_have_the_variances_of_the_posterior(order):
    geometry = Geometry.around([(0, 0), (0.5, 0.5)], (5, 5), 2)
    A = FrameOperator(geometry)
    Y = np.zeros((2, 5, 5, 1))
    field = _Field(A, order, Y, 0)
    rng = np.random.default_rng(1)
    bonds = [rng.uniform(0.1, 1, shape) for shape in field.shapes]
    rho, beta = np.array([2.0]), np.array([3.0])
    n = int(np.prod(geometry.shape))
    normal = field._normal(bonds, rho / beta)
    basis = np.eye(n).reshape(n, *geometry.shape, 1)
    precision = beta * np.array([normal(e).ravel() for e in basis])
    covariance = np.linalg.inv(precision)
    total, variances = np.zeros(n), None
    n_draws = 300
    for k in range(n_draws):
        draws = field.draws(bonds, rho, beta)
        total += np.square(draws).mean(axis=-1).ravel()
        variances = field.variances(draws, variances, 1 / (k + 1))
    np.testing.assert_allclose(total / n_draws, np.diag(covariance), rtol=0.3)
    for found, stencil in zip(variances, _STENCILS[order], strict=True):
        D = np.array([_difference(e, stencil).ravel() for e in basis]).T
        exact = np.einsum("ei,ij,ej->e", D, covariance, D)
        np.testing.assert_allclose(found.ravel(), exact, rtol=0.35)


def test_blocks_and_their_lines_are_found(blocks, found):
    A, Y, truth = blocks
    others = [total_variation(A, Y, w, max_iter=1000).x for w in (0.5, 1, 2)]
    best = min(rmse(x, truth) for x in [smooth(A, Y), *others])
    assert rmse(found.x, truth) < 0.95 * best
    steps = np.zeros(truth.shape[:2], bool)
    for stencil in _STENCILS[1]:
        cut = np.abs(_difference(truth, stencil)).max(axis=-1) > 3
        for (i, j), _ in stencil:
            steps[i : i + cut.shape[0], j : j + cut.shape[1]] |= cut
    flat = ~steps
    assert found.lines[steps].mean() > 0.6 > 0.3 > found.lines[flat].mean()


def test_noise_is_found(found):
    assert found.converged and 3 < len(found.history) < 50
    np.testing.assert_allclose(found.noise, 1, rtol=0.15)


def test_units_of_a_factor_do_not_matter(blocks, found):
    A, Y, _ = blocks
    scale = np.array([1.0, 100.0], np.float32)
    again = compound_mrf(A, Y * scale, start=smooth(A, Y) * scale)
    np.testing.assert_allclose(again.x / scale, found.x, atol=0.02)
    np.testing.assert_allclose(again.noise / scale**2, found.noise, rtol=1e-3)


def test_same_seed_same_map_and_float64(blocks, found):
    A, Y, _ = blocks
    again = compound_mrf(A, Y, start=smooth(A, Y))
    np.testing.assert_array_equal(again.x, found.x)
    assert again.x.dtype == np.float32
    double = compound_mrf(A, Y.astype(float), start=smooth(A, Y))
    assert double.x.dtype == np.float64
    assert rmse(double.x, found.x) < 0.1


def test_smooth_maps_ask_for_curvatures():
    geometry = Geometry.around(THIRDS, (14, 14), 2.5)
    y, x = (np.arange(n) / 6 for n in geometry.shape)
    truth = (6 * np.sin(y)[:, None] * np.cos(x))[..., None].astype(np.float32)
    A = FrameOperator(geometry)
    noise = np.random.default_rng(0).normal(size=(9, 14, 14, 1))
    Y = (A.forward(truth) + noise).astype(np.float32)
    first, second = (compound_mrf(A, Y, o, start=smooth(A, Y)).x for o in (1, 2))
    assert rmse(second, truth) < 0.8 * rmse(first, truth)
    fine = resolve(Y, THIRDS, 2.5, method="bayes_cmrf", registration=False)
    # The samples that were held out say so too.
    assert fine.method == "bayes_cmrf" and fine.parameters == {"order": 2}
    assert fine.scores["bayes_cmrf"] < fine.scores["interpolation"]
    given = resolve(Y, THIRDS, 2.5, method="bayes_cmrf", order=1, registration=False)
    assert given.parameters == {"order": 1} and rmse(fine.maps, truth) < rmse(
        given.maps, truth
    )


def test_it_can_be_stopped(blocks):
    A, Y, _ = blocks
    seen = []
    with pytest.warns(UserWarning, match="stopped after 2 iterations"):
        compound_mrf(
            A, Y, start=smooth(A, Y), callback=lambda i, c: seen.append(c) or i == 1
        )
    assert len(seen) == 2


def test_unknown_orders_are_refused(blocks):
    A, Y, _ = blocks
    with pytest.raises(ValueError, match=r"order=3, expected one of 1, 2"):
        compound_mrf(A, Y, 3, start=smooth(A, Y))

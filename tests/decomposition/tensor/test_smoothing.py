"""Maps are smoothed with the strength that predicts best, zero for rough maps."""

import numpy as np
import pytest
import scipy.sparse

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import fit_coupled
from sparsedecomp.decomposition.poisson.counts import grid_neighbours
from sparsedecomp.decomposition.tensor.smoothing import SmoothedRows, smooth_rows

SHAPE = (16, 18)


def normal_equations(maps, rng, noise=1.0):
    """Normal equations of mixed maps with noise of unit variance."""
    mixing = np.array([[1.0, 0.7], [0.7, 1.0], [0.3, 0.2]]) / noise
    data = maps @ mixing.T + rng.standard_normal((len(maps), 3))
    return data @ mixing, np.broadcast_to(mixing.T @ mixing, (len(maps), 2, 2)).copy()


def smooth_maps():
    v, u = np.meshgrid(*(np.linspace(0, 1, n) for n in SHAPE), indexing="ij")
    maps = np.stack([1 + np.cos(5 * u), 1 + np.sin(4 * v)], axis=-1)
    return maps.reshape(-1, 2)


def test_smoothed_maps_minimise_the_cost(rng):
    F, G = normal_equations(3 + rng.random((12, 2)), rng)
    neighbours = grid_neighbours(np.arange(12), (3, 4)).toarray()
    D = np.diag(neighbours.sum(axis=1)) - neighbours
    H = np.kron(D @ D, np.eye(2)) * 0.3
    for i, gram in enumerate(G):
        H[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += gram
    expected = np.linalg.solve(H, F.ravel()).reshape(12, 2)
    assert expected.min() > 0
    method = SmoothedRows(F, G, scipy.sparse.csr_array(D @ D), 0.3)
    found = method.minimise(np.ones((12, 2)))
    np.testing.assert_allclose(found, expected, rtol=1e-2)


def test_smoothing_lowers_the_error_of_smooth_maps(rng):
    maps = smooth_maps()
    F, G = normal_equations(maps, rng)
    start = np.maximum(np.linalg.solve(G, F[..., None])[..., 0], 0.0)
    found, strength = smooth_rows(F, G, start, SHAPE, np.random.default_rng(0))
    assert strength > 0 and found.min() >= 0
    assert np.linalg.norm(found - maps) < 0.4 * np.linalg.norm(start - maps)


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_smoothing_does_not_worsen_rough_maps(rng, noise):
    maps = rng.dirichlet([0.3, 0.3], SHAPE[0] * SHAPE[1])
    F, G = normal_equations(maps, rng, noise)
    start = np.maximum(np.linalg.solve(G, F[..., None])[..., 0], 0.0)
    found, strength = smooth_rows(F, G, start, SHAPE, np.random.default_rng(0))
    assert np.linalg.norm(found - maps) < 1.01 * np.linalg.norm(start - maps)
    if strength == 0:
        assert found is start
    assert noise > 0.1 or strength < 0.01


def test_maps_without_noise_are_not_smoothed():
    maps = np.random.default_rng(0).dirichlet([0.3, 0.3], SHAPE[0] * SHAPE[1])
    G = np.broadcast_to(1e8 * np.eye(2), (len(maps), 2, 2)).copy()
    found, strength = smooth_rows(1e8 * maps, G, maps, SHAPE, np.random.default_rng(0))
    assert strength == 0 and found is maps


def test_shared_maps_of_a_coupled_fit_are_smoothed_last(rng):
    maps = smooth_maps()
    maps /= maps.sum(axis=0)
    spectra = [rng.dirichlet(np.full(n, 0.3), 2) for n in (30, 40)]
    data = [rng.poisson(20 * len(maps) * maps @ S) for S in spectra]
    blocks = [as_blocks(X.reshape(*SHAPE, -1)) for X in data]
    labels, modes = [("maps", "a"), ("maps", "b")], [((0, 1),)] * 2
    plain, smooth = (
        fit_coupled(blocks, labels, 2, modes=modes, random_state=0, grids=grids)
        for grids in (None, {"maps": SHAPE})
    )
    assert plain.smoothness == {} and smooth.smoothness["maps"] > 0
    np.testing.assert_array_equal(plain.factors["a"], smooth.factors["a"])
    np.testing.assert_allclose(smooth.factors["maps"].sum(axis=0), 1)

    def error(fit):
        found = fit.factors["maps"]
        swapped = found[:, ::-1]
        return min(np.linalg.norm(f - maps) for f in (found, swapped))

    assert error(smooth) < 0.6 * error(plain)


def test_pixels_missing_in_all_tensors_are_zero(rng):
    maps = smooth_maps()
    mask = np.zeros(SHAPE, bool)
    mask[3, 4] = True
    spectra = [rng.dirichlet(np.full(n, 0.3), 2) for n in (30, 40)]
    data = [rng.poisson(20 * maps @ S).reshape(*SHAPE, -1) for S in spectra]
    labels, modes = [("maps", "a"), ("maps", "b")], [((0, 1),)] * 2
    fits = [
        fit_coupled(
            [as_blocks(X, navigation_mask=m) for X, m in zip(data, masks, strict=True)],
            labels,
            2,
            modes=modes,
            random_state=0,
            grids={"maps": SHAPE},
        )
        for masks in ((mask, mask), (mask, None))
    ]
    at = np.flatnonzero(mask)[0]
    assert not fits[0].factors["maps"][at].any()
    known = fits[1].factors["maps"]
    assert known[at] == pytest.approx(known[at + 1], rel=0.5)

"""Vertex component analysis on scenes of known truth."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import VCA, nfindr, simplex_volume
from sparsedecomp.metrics import abundance_rmse, match_components


def scene(k=4, n=600, n_channels=60, seed=0):
    """Shares with one pure pixel for each component, and smooth spectra."""
    rng = np.random.default_rng(seed)
    centres = np.linspace(8, n_channels - 8, k)[:, None]
    spectra = np.exp(-0.5 * ((np.arange(n_channels) - centres) / 6) ** 2) + 0.2
    shares = rng.dirichlet(np.ones(k), n)
    pure = rng.choice(n, k, replace=False)
    shares[pure] = np.eye(k)
    return shares, spectra, pure


@parametrize_with_checks([VCA(n_components=1, random_state=0), VCA(random_state=0)])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
@pytest.mark.parametrize("thickness", ["even", "varying"])
def test_pure_pixels_are_found_exactly(rng, k, thickness):
    shares, spectra, pure = scene(k)
    X = shares @ spectra
    if thickness == "varying":
        X *= rng.uniform(0.3, 3, (len(X), 1))
    model = VCA(k, random_state=0)
    W = model.fit_transform(X)
    assert model.projective_ and model.relative_residual_ < 1e-10
    if k > 1:
        assert set(model.pixels_) == set(pure)
    _, found, angles = match_components(spectra, model.components_)
    assert angles.max() < 1e-5
    if thickness == "even":
        assert abundance_rmse(shares, W[:, found]) < 1e-9
    np.testing.assert_allclose(model.inverse_transform(W), X, atol=1e-9)
    np.testing.assert_allclose(model.components_, X[model.pixels_], atol=1e-9)


def test_components_come_in_the_order_of_their_energy():
    shares, spectra, _ = scene()
    model = VCA(4, random_state=0)
    W = model.fit_transform(shares @ spectra)
    energy = (W**2).sum(axis=0) * (model.components_**2).sum(axis=1)
    assert np.all(np.diff(energy) <= 0)


@pytest.mark.parametrize(("decibels", "projective"), [(40, True), (10, False)])
def test_the_noise_chooses_the_projection(rng, decibels, projective):
    shares, spectra, _ = scene(3, 2000)
    X = shares @ spectra
    sigma = np.sqrt(np.mean(X**2) / 10 ** (decibels / 10))
    model = VCA(3, random_state=0).fit(X + rng.normal(0, sigma, X.shape))
    assert model.projective_ is projective
    assert abs(model.snr_ - decibels) < 1.5 + 0.1 * (40 - decibels)
    np.testing.assert_allclose(model.noise_variance_, sigma**2, rtol=0.03)
    angles = match_components(spectra, model.components_)[2]
    assert angles.mean() < (2 if projective else 20)


def test_units_do_not_matter(rng):
    shares, spectra, _ = scene()
    X = shares @ spectra + 0.01 * rng.random((600, 60))
    one, million = (VCA(4, random_state=0).fit(unit * X) for unit in (1, 1e6))
    np.testing.assert_array_equal(one.pixels_, million.pixels_)
    np.testing.assert_allclose(1e6 * one.components_, million.components_, rtol=1e-9)


def test_same_seed_same_bits_and_more_runs_no_smaller_volume(rng):
    shares, spectra, _ = scene(6)
    X = shares @ spectra + 0.1 * rng.random((600, 60))
    first, again = (VCA(6, random_state=3).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.components_, again.components_)
    assert np.all(np.diff(first.objective_history_) >= 0)
    assert len(first.objective_history_) == first.n_iter_ == 20


def test_nfindr_never_shrinks_the_simplex(rng):
    shares, spectra, _ = scene(5)
    X = np.minimum(shares, 0.7) @ spectra + 0.02 * rng.random((600, 60))
    plain = VCA(5, random_state=0, n_init=1).fit(X)
    grown = VCA(5, random_state=0, n_init=1, refinement="nfindr").fit(X)
    assert simplex_volume(grown.components_) >= simplex_volume(plain.components_)


def test_nfindr_finds_the_pure_pixels_from_any_start():
    shares, spectra, pure = scene()
    X = shares @ spectra
    assert set(nfindr(X, 4, random_state=0)) == set(pure)
    assert set(nfindr(X, 4, start=[0, 1, 2, 3])) == set(pure)


def test_volume_of_a_simplex():
    corner = np.vstack([np.zeros(3), np.eye(3)])
    assert simplex_volume(corner) == pytest.approx(1 / 6)
    assert simplex_volume(np.eye(3)) == pytest.approx(np.sqrt(3) / 2)
    assert simplex_volume([[4.0, 2.0]]) == 1.0
    with pytest.raises(ValueError, match="4 points with 2 coordinates .* at most 3"):
        simplex_volume(np.ones((4, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_lazy_and_sparse_agree_with_eager(rng, dtype):
    shares, spectra, _ = scene(3, 600)
    X = rng.poisson(400 * shares @ spectra).astype(dtype)
    eager = VCA(3, random_state=0)
    W = eager.fit_transform(X)
    cube = da.from_array(X.reshape(20, 30, 60), chunks=(7, 30, 60))
    blocks = as_blocks(cube)
    lazy = VCA(3, random_state=0)
    V = lazy.fit_transform(blocks)
    # Pixels of 7 rows at a time are in C order here.
    np.testing.assert_allclose(V, W, atol=1e-5 * W.max())
    np.testing.assert_allclose(lazy.components_, eager.components_, rtol=1e-4)
    assert lazy.passes_ == blocks.passes == 5
    sparse = VCA(3, random_state=0).fit(scipy.sparse.csr_array(X))
    np.testing.assert_array_equal(sparse.pixels_, eager.pixels_)


def test_dark_pixels_are_no_vertices(rng):
    shares, spectra, pure = scene(3, 2000)
    X = shares @ spectra
    X[:200] *= 1e-3
    X[200:210] = 0
    pure = pure[pure >= 210]
    X += rng.normal(0, 1e-3, X.shape)
    model = VCA(3, random_state=0).fit(X)
    assert model.pixels_.min() >= 210


def test_negative_data_are_no_obstacle():
    shares, spectra, pure = scene(3)
    spectra = spectra - 0.4
    model = VCA(3, random_state=0).fit(shares @ spectra)
    assert set(model.pixels_) == set(pure)
    assert model.components_.min() < -0.1


def test_number_of_components_by_the_noise(rng):
    shares, spectra, _ = scene(3, 2000)
    X = shares @ spectra
    assert VCA(random_state=0).fit(X).n_components_ == 3
    noisy = X + rng.normal(0, 0.02, X.shape)
    assert VCA(random_state=0).fit(noisy).n_components_ == 3


def test_callback_ends_the_search():
    shares, spectra, _ = scene()
    seen = []
    model = VCA(4, callback=lambda p: seen.append(p) or len(seen) == 3)
    model.fit(shares @ spectra)
    assert model.n_iter_ == len(seen) == 3
    assert [p.iteration for p in seen] == [1, 2, 3] and seen[0].n_components == 4


def test_interrupt_keeps_the_best_run():
    shares, spectra, _ = scene()

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 1 iterations"):
        model = VCA(4, callback=stop).fit(shares @ spectra)
    assert model.interrupted_ and model.components_.shape == (4, 60)


def test_bad_input_is_refused():
    shares, spectra, _ = scene(3)
    X = shares @ spectra
    with pytest.raises(ValueError, match="5 components .* span 3 dimensions"):
        VCA(5).fit(X)
    with pytest.raises(ValueError, match="n_components = 61 .* expected at most 60"):
        VCA(61).fit(X)
    with pytest.raises(ValueError, match="zero everywhere"):
        VCA(1).fit(np.zeros((5, 4)))
    X[17, 3] = np.nan
    with pytest.raises(ValueError, match=r"NaN .* first at pixel \(17\), channel 3"):
        VCA(3).fit(X)

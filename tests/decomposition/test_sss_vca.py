"""SSS+VCA: exact where sources own channels, told where they share a background."""

import time
import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import SSSVCA
from sparsedecomp.decomposition.geometric.cone import Bounds
from sparsedecomp.decomposition.geometric.corners import find_corners
from sparsedecomp.decomposition.iterate import Phases
from sparsedecomp.metrics import match_components


def scene(k=3, n=3000, n_channels=300, purest=0.7, background=0.0, seed=0):
    """Shares without pure pixels, and broad peaks with a channel of their own each."""
    rng = np.random.default_rng(seed)
    centres = np.linspace(60, n_channels - 60, k)[:, None]
    spectra = np.exp(-0.5 * ((np.arange(n_channels) - centres) / 30) ** 2)
    spectra[:, : 3 * k] = 0.3 * np.repeat(np.eye(k), 3, axis=1)
    shares = rng.dirichlet(np.ones(k), 4 * n)
    return shares[shares.max(axis=1) < purest][:n], spectra + background


def angles(model, spectra):
    return match_components(spectra, model.components_)[2]


def exceptions(estimator):
    if estimator.n_components == 1:
        return {}
    message = "spectra of no total intensity cannot be compared, and are refused"
    return {"check_positive_only_tag_during_fit": message}


@parametrize_with_checks(
    [SSSVCA(n_components=1, random_state=0), SSSVCA(random_state=0)],
    expected_failed_checks=exceptions,
)
@pytest.mark.filterwarnings("ignore:.*share a background")
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


@pytest.mark.parametrize("k", range(3, 9))
@pytest.mark.parametrize("thickness", ["even", "varying"])
def test_sources_that_own_a_channel_are_exact(rng, k, thickness):
    shares, spectra = scene(k)
    X = shares @ spectra
    if thickness == "varying":
        X *= rng.uniform(0.3, 3, (len(X), 1))
    model = SSSVCA(k, random_state=0).fit(X)
    assert angles(model, spectra).max() < 0.01
    assert model.converged_ and not model.shared_background_
    assert model.relative_residual_ < 1e-6
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1.0)
    # The pixels do not know: the inner body is far inside.
    assert model.band_.min() > 5


def test_the_search_is_fast_once_the_data_are_compressed():
    shares, spectra = scene(8)
    V = np.linalg.svd(shares @ spectra, full_matrices=False)[2][:8].T
    points = shares @ spectra @ V
    points /= (points @ V.sum(axis=0))[:, None]
    bounds = Bounds.of_windows(V, np.zeros((300, 8, 8)))
    arguments = points, V, bounds, bounds.default_margin, 3, np.random.default_rng(0)
    find_corners(*arguments, Phases())
    began = time.process_time()
    find_corners(*arguments, Phases())
    # A fifth of a second is asked for; a busy machine may take longer.
    assert time.process_time() - began < 0.6


def test_number_of_components_is_found():
    for k, purest in ((1, 2.0), (2, 0.96), (5, 0.8)):
        shares, spectra = scene(k, purest=purest)
        assert SSSVCA(random_state=0).fit(shares @ spectra).n_components_ == k


@pytest.mark.parametrize("noise", ["even", "counts"])
def test_noise_has_a_margin(rng, noise):
    shares, spectra = scene(3)
    if noise == "even":
        X = shares @ spectra + rng.normal(0, 0.01, (len(shares), 300))
    else:
        X = rng.poisson(50 * shares @ spectra)
    model = SSSVCA(3, random_state=0).fit(X)
    assert model.noise_model_ == ("uniform" if noise == "even" else "poisson")
    assert angles(model, spectra).max() < 1.2
    assert 4 < model.margin_ < 5
    bare = SSSVCA(3, margin=0.0, random_state=0).fit(X)
    assert angles(bare, spectra).mean() > 2 * angles(model, spectra).mean()


def test_particles_of_few_counts():
    s = datasets.edx_particles(counts=50)
    truth = datasets.truth(s)
    for k in (3, None):
        model = SSSVCA(k, random_state=0).fit(s.data.reshape(-1, 1024))
        assert model.n_components_ == 3
        assert angles(model, truth.spectra).mean() < 2.5


def test_published_particles(data_dir):
    with np.load(data_dir / "unmixing" / "edx_particles.npz") as file:
        X, spectra = file["counts"].reshape(6400, -1), file["phases"]
    model = SSSVCA(random_state=0).fit(X)
    assert model.n_components_ == 3
    assert angles(model, spectra).mean() < 4.2


def test_shared_background_is_told():
    shares, spectra = scene(3, background=0.5)
    with pytest.warns(UserWarning, match="3 of 3 components .* Subtract the backgr"):
        model = SSSVCA(3, random_state=0).fit(shares @ spectra)
    assert model.shared_background_
    assert angles(model, spectra).mean() > 10
    # The truth lies between both bodies: inner and outer do not differ less.
    inner = match_components(spectra, model.inner_)[2]
    assert model.band_.mean() > max(inner.mean(), angles(model, spectra).mean())


def test_simulated_eels_is_told_of_its_background():
    s = datasets.eels_oxide_interface(shape=(32, 32), n_channels=256)
    with pytest.warns(UserWarning, match="share a background"):
        SSSVCA(3, random_state=0).fit(s.data.reshape(-1, 256))


def test_bad_pixels_stand_out_and_do_not_count(rng):
    shares, spectra = scene(3)
    X = shares @ spectra + rng.normal(0, 0.01, (len(shares), 300))
    spoilt = rng.choice(len(X), 20, replace=False)
    X[spoilt, rng.integers(300, size=20)] += 5
    model = SSSVCA(random_state=0).fit(X)
    assert model.n_components_ == 3
    assert angles(model, spectra).max() < 1.5
    assert model.outliers_[spoilt].all() and model.outliers_.mean() < 0.02
    assert model.outlier_distance_[spoilt].min() > 1
    assert model.outlier_distance_.shape == model.score_distance_.shape == (len(X),)


def test_background_subtracted_data_may_be_negative(rng):
    shares, spectra = scene(3)
    scale = np.linspace(0.5, 2, 300)
    X = shares @ spectra + 0.01 * scale * rng.normal(size=(len(shares), 300))
    model = SSSVCA(3, random_state=0).fit(X)
    assert X.min() < 0 and model.components_.min() >= 0
    assert model.noise_model_ == "estimated"
    assert angles(model, spectra).max() < 1.5


def test_units_do_not_matter():
    shares, spectra = scene(3)
    X = np.random.default_rng(1).poisson(50 * shares @ spectra).astype(float)
    one, million = (SSSVCA(3, random_state=0).fit(u * X) for u in (1, 1e6))
    assert match_components(one.components_, million.components_)[2].max() < 1e-3
    np.testing.assert_allclose(one.band_, million.band_, atol=1e-3)


def test_lazy_and_sparse_agree_with_eager():
    shares, spectra = scene(3, n_channels=200)
    X = np.random.default_rng(1).poisson(50 * shares @ spectra).astype(np.uint16)
    eager = SSSVCA(3, random_state=0)
    W = eager.fit_transform(X)
    blocks = as_blocks(da.from_array(X.reshape(50, 60, 200), chunks=(17, 60, 200)))
    lazy = SSSVCA(3, random_state=0)
    V = lazy.fit_transform(blocks)
    np.testing.assert_allclose(V, W, atol=1e-3 * W.max())
    assert lazy.passes_ == blocks.passes == 6
    sparse = SSSVCA(3, random_state=0).fit(scipy.sparse.csr_array(X))
    for other in (lazy, sparse):
        assert match_components(eager.components_, other.components_)[2].max() < 0.01


def test_same_seed_same_bits():
    shares, spectra = scene(4)
    X = np.random.default_rng(1).poisson(50 * shares @ spectra)
    first, again = (SSSVCA(random_state=1).fit(X) for _ in range(2))
    np.testing.assert_array_equal(first.components_, again.components_)


def test_callback_ends_the_search_and_interrupts_lose_nothing():
    shares, spectra = scene(3)
    X = np.random.default_rng(1).poisson(50 * shares @ spectra)
    seen = []
    model = SSSVCA(3, callback=lambda p: seen.append(p) or True).fit(X)
    assert model.n_iter_ == len(seen) == 1 and seen[0].n_components == 3

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="interrupted after 1 iterations"):
        model = SSSVCA(3, callback=stop).fit(X)
    assert model.interrupted_ and np.isfinite(model.components_).all()


def test_odd_pixels_and_channels_are_no_obstacle():
    shares, spectra = scene(3)
    X = shares @ spectra
    X = np.vstack([X, X[:50], X[:50], np.zeros((40, 300))])
    X = np.hstack([X, np.zeros((len(X), 20))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SSSVCA(3, random_state=0).fit(X)
    assert angles(model, np.pad(spectra, [(0, 0), (0, 20)])).max() < 0.01
    assert not model.components_[:, 300:].any()
    constant = SSSVCA(random_state=0).fit(np.ones((20, 7)))
    assert constant.n_components_ == 1 and constant.band_.tolist() == [0.0]


def test_bad_input_is_refused():
    shares, spectra = scene(3)
    X = shares @ spectra
    with pytest.raises(ValueError, match="5 components .* span 3 dimensions"):
        SSSVCA(5).fit(X)
    with pytest.raises(ValueError, match="n_components = 301 .* expected at most 300"):
        SSSVCA(301).fit(X)
    with pytest.raises(ValueError, match="zero everywhere"):
        SSSVCA(1).fit(np.zeros((5, 4)))
    with pytest.raises(ValueError, match="0 pixels .* no mixtures of 3 spectra"):
        SSSVCA(3).fit(-X)
    with pytest.raises(ValueError, match="Negative values in data: .*"):
        SSSVCA(3, noise="poisson").fit(X - 0.1)
    X[17, 3] = np.inf
    with pytest.raises(ValueError, match=r"first at pixel \(17\), channel 3"):
        SSSVCA(3).fit(X)

"""Poisson factorisation: likelihood, evidence, penalties, other losses, bad input."""

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from scipy.special import xlogy
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_checks

from benchmarks.trust_scenes import make_scene
from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import MinimumVolume, PoissonNMF, PoissonNMFARD
from sparsedecomp.decomposition.poisson import fit as poisson_fit
from sparsedecomp.decomposition.poisson.beta import divergence
from sparsedecomp.decomposition.poisson.counts import grid_neighbours, group_channels
from sparsedecomp.metrics import abundance_rmse, match_components, relative_residual


@estimator_checks.parametrize_with_checks([PoissonNMF(), PoissonNMFARD()])
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def counts(make):
    """Poisson counts of three components in 300 pixels and 80 channels."""
    mean = make(n=300, scale=10).mean
    return np.random.default_rng(2).poisson(mean)


@pytest.fixture(scope="module", params=[PoissonNMF, PoissonNMFARD])
def estimator(request):
    """Return a function that makes either estimator of three components."""

    def new(**parameters):
        return request.param(**({"n_components": 3, "random_state": 0} | parameters))

    return new


def divergence_of(X, M):
    return float((xlogy(X, X) - xlogy(X, M) - X + M).sum())


def fitted(counts, **parameters):
    model = PoissonNMF(3, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model, model.fit_transform(counts)


def test_attributes_fit_together(estimator, counts):
    model = estimator()
    C = model.fit_transform(counts.astype(float))
    S, k = model.components_, model.n_components_
    assert k == 3 and C.shape == (300, k) and S.shape == (k, 80)
    assert np.all(C >= 0) and np.all(S >= 0)
    np.testing.assert_allclose(S.sum(axis=1), 1)
    np.testing.assert_allclose(C.sum(axis=1), counts.sum(axis=1), rtol=1e-4)
    energy = np.linalg.norm(C, axis=0) * np.linalg.norm(S, axis=1)
    assert np.all(np.diff(energy) <= 0)
    assert model.deviance_ == pytest.approx(2 * divergence_of(counts, C @ S))
    assert model.relative_residual_ == pytest.approx(relative_residual(counts, C, S))
    assert model.noise_variance_ == pytest.approx(np.mean((counts - C @ S) ** 2))
    np.testing.assert_allclose(model.inverse_transform(C), C @ S)
    assert model.concentration_ == 1 and model.alpha_.sum() == pytest.approx(1)
    assert model.converged_ and not model.interrupted_
    assert model.passes_ == 1 and model.seconds_ > 0
    assert model.n_iter_ > len(model.objective_history_) > 1
    if isinstance(model, PoissonNMFARD):
        np.testing.assert_allclose(model.relevance_, 1 + C.mean(axis=0))


# What is found


@pytest.fixture(scope="module")
def particles():
    """Counts of a matrix that is everywhere and two kinds of particles within it."""
    generator = np.random.default_rng(3)
    channel = np.arange(200)
    centres = [[20, 60, 110], [35, 80, 150], [50, 95, 170]]
    peaks = [
        sum(np.exp(-0.5 * ((channel - c) / 4) ** 2) for c in row) for row in centres
    ]
    spectra = np.array(peaks) + 0.02
    spectra /= spectra.sum(axis=1, keepdims=True)
    maps = np.zeros((2000, 3))
    for k, pixels in ((1, slice(0, 300)), (2, slice(250, 600))):
        maps[pixels, k] = generator.uniform(0.05, 0.5, len(maps[pixels]))
    maps[:, 0] = 1 - maps.sum(axis=1)
    counts = generator.poisson(100 * np.maximum(maps, 0) @ spectra)
    truth = datasets.Truth(spectra, np.maximum(maps, 0), tuple("abc"), channel * 1.0)
    return counts, truth


def errors(truth, C, S):
    """Mean angle, and RMSE of abundances on the scale of the true spectra."""
    true, found, angles = match_components(truth.spectra, S)
    T, F = truth.spectra[true], S[found]
    C = C[:, found] * np.square(F).sum(axis=1) / (F * T).sum(axis=1)
    return angles, abundance_rmse(truth.maps.reshape(len(C), -1)[:, true], C)


def test_spectra_of_the_search_for_the_number_are_not_the_last():
    # Edges on shared backgrounds: where that search ends they are 18 degrees off.
    truth = datasets.oxide_interface_truth(shape=(40, 40), n_channels=512)
    counts = datasets.noisy_cube(truth, seed=0).reshape(-1, 512)
    found = PoissonNMFARD(random_state=0).fit(counts)
    assert found.n_components_ == 3
    told = PoissonNMF(3, random_state=0).fit(counts)
    assert match_components(told.components_, found.components_)[2].max() < 0.5
    assert match_components(truth.spectra, found.components_)[2].max() < 4


@pytest.mark.parametrize("cls", [PoissonNMF, PoissonNMFARD])
def test_prior_brings_the_spectra_of_particles_nearer(particles, cls):
    X, truth = particles
    k = len(truth.spectra)
    n_components = k if cls is PoissonNMF else None
    model = cls(n_components, random_state=0)
    angles, rmse = errors(truth, model.fit_transform(X), model.components_)
    assert model.n_components_ == k
    plain = PoissonNMF(k, concentration=None, random_state=0)
    worse, noisier = errors(truth, plain.fit_transform(X), plain.components_)
    assert angles.mean() < 0.7 * worse.mean()
    assert rmse < 0.8 * noisier


def test_published_particles_at_convergence(data_dir):
    signal = datasets.load("edx_particles_espm")
    X = signal.data.reshape(-1, signal.data.shape[-1])
    truth = datasets.truth(signal)
    model = PoissonNMF(3, tol=1e-5, random_state=0)
    angles, rmse = errors(truth, model.fit_transform(X), model.components_)
    assert model.converged_
    assert angles.mean() <= 3.3
    assert rmse <= 0.032


def test_far_fewer_iterations_than_multiplicative_updates(counts):
    X = counts.astype(float)
    slow = NMF(3, solver="mu", beta_loss=1, init="nndsvda", max_iter=100, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reached = divergence_of(X, slow.fit_transform(X) @ slow.components_)
    model, C = fitted(X, concentration=None, max_iter=60, tol=0)
    assert divergence_of(X, C @ model.components_) < reached


def test_likelihood_is_stationary(counts):
    model, C = fitted(counts.astype(float), concentration=None, tol=1e-7, max_iter=5000)
    S = model.components_
    M = np.maximum(C @ S, 1e-300)
    slope = (1 - counts / M) @ S.T
    assert np.abs(C * slope).sum() < 1e-4 * counts.sum()
    slope = C.T @ (1 - counts / M)
    assert np.abs(S * slope).sum() < 1e-4 * counts.sum()
    assert model.objective_ == pytest.approx(
        divergence_of(counts, M) + (counts - xlogy(counts, counts)).sum(), rel=1e-6
    )


# Penalties


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"concentration": None},
        {"concentration": 0.3},
        {"orthogonality": 5.0},
        {"smoothness": 3.0},
        {"orthogonality": 5.0, "smoothness": 3.0},
        {"sum_to_one": True},
        {"beta": 0.5, "tol": 0},
        {"beta": 1.5, "tol": 0},
        {"beta": 2, "tol": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("init", ["auto", "spa", "nndsvd", "random"])
def test_objective_never_rises(counts, parameters, init):
    X = as_blocks(counts.reshape(15, 20, 80))
    model, C = fitted(X, init=init, **({"tol": 1e-6, "max_iter": 60} | parameters))
    history = model.objective_history_
    assert len(history) > 5
    assert np.all(np.diff(history) <= 1e-12 * np.abs(history[:-1]))
    assert C.dtype == np.float32 and np.all(np.isfinite(C))


def overlap(C):
    gram = C.T @ C
    return (gram.sum() - np.trace(gram)) / np.trace(gram)


def roughness(C, shape):
    maps = C.reshape(*shape, -1)
    steps = [np.square(np.diff(maps, axis=axis)).sum() for axis in (0, 1)]
    return sum(steps) / np.square(C - C.mean(axis=0)).sum()


def test_penalties_do_what_they_are_asked(counts):
    X = as_blocks(counts.reshape(15, 20, 80))
    _, plain = fitted(X, concentration=None)
    _, apart = fitted(X, orthogonality=20.0)
    assert overlap(apart) < 0.7 * overlap(plain)
    _, smooth = fitted(X, smoothness=1000.0)
    assert roughness(smooth, (15, 20)) < 0.5 * roughness(plain, (15, 20))
    model, closed = fitted(X, sum_to_one=True)
    np.testing.assert_allclose(closed.sum(axis=1), 1, rtol=1e-5)
    total = closed @ model.components_.sum(axis=1)
    assert total.sum() == pytest.approx(counts.sum(), rel=1e-3)


def test_objective_with_penalties_is_what_the_docstring_says(counts):
    X = as_blocks(counts.reshape(15, 20, 80).astype(float))
    model, C = fitted(X, orthogonality=4.0, smoothness=7.0, tol=1e-8, max_iter=3000)
    square = counts.sum(axis=1).mean() ** 2
    gram = C.T @ C
    pairs = (gram.sum() - np.trace(gram)) / 2
    maps = C.reshape(15, 20, 3)
    steps = sum(np.square(np.diff(maps, axis=axis)).sum() for axis in (0, 1))
    M = C @ model.components_
    expected = (M - xlogy(counts, M)).sum() + (4 * pairs + 7 / 2 * steps) / square
    assert model.objective_ == pytest.approx(expected, rel=1e-6)


def test_neighbours_are_next_to_each_other():
    mask = np.zeros((3, 4), bool)
    mask[1, 1] = True
    blocks = as_blocks(np.ones((3, 4, 2)), navigation_mask=mask)
    neighbours = grid_neighbours(blocks.rows, blocks.navigation_shape).toarray()
    places = np.stack(np.unravel_index(blocks.rows, (3, 4)), axis=1)
    distance = np.abs(places[:, None] - places[None]).sum(axis=2)
    np.testing.assert_array_equal(neighbours, distance == 1)


# Losses


@pytest.mark.parametrize("beta", [0, 0.5, 1, 1.5, 2])
def test_divergence(rng, beta):
    X, M = rng.random((2, 6, 5)) + 0.1
    # Its slope is (m - x) m^(beta - 2), and it is zero at x = m.
    assert divergence(X, X.copy(), beta) == pytest.approx(0, abs=1e-12)
    step = 1e-6
    slope = (divergence(X, M + step, beta) - divergence(X, M - step, beta)) / 2 / step
    assert slope == pytest.approx(((M - X) * M ** (beta - 2.0)).sum(), rel=1e-6)


@pytest.mark.parametrize("beta", [0, 0.5, 1.5, 2])
def test_other_losses_find_the_components(make, beta):
    mixture = make(n=200, seed=4)
    X = mixture.mean * np.random.default_rng(0).gamma(400, 1 / 400, (200, 80))
    model, C = fitted(X, beta=beta, tol=1e-7, max_iter=3000)
    assert model.concentration_ is None
    assert match_components(mixture.spectra, model.components_)[2].max() < 8
    M = C @ model.components_
    assert model.deviance_ == pytest.approx(2 * divergence(X, M, beta), rel=1e-3)
    np.testing.assert_allclose(model.transform(X), C, atol=0.05 * C.max())


# Data of all kinds


def forms(cube):
    flat = cube.reshape(-1, cube.shape[-1])
    return {
        "uint8": flat.astype(np.uint8),
        "matrix of blocks": as_blocks(cube),
        "dask": da.from_array(flat, chunks=(70, 80)),
        "dask cube": as_blocks(da.from_array(cube, chunks=(7, 4, 80))),
        "signal chunks": as_blocks(da.from_array(cube, chunks=(20, 5, 33))),
        "csr": scipy.sparse.csr_array(flat),
        "csc matrix": scipy.sparse.csc_matrix(flat),
        "blocks of csr": da.from_array(flat, chunks=(70, 33)).map_blocks(
            scipy.sparse.csr_array
        ),
    }


@pytest.mark.parametrize("form", forms(np.ones((1, 1, 1))))
def test_every_kind_of_data_gives_one_result(estimator, counts, form):
    expected_model, model = estimator(), estimator()
    expected = expected_model.fit_transform(counts.astype(np.float32))
    data = forms(counts.reshape(20, 15, 80))[form]
    C = model.fit_transform(data)
    assert model.passes_ == 1
    np.testing.assert_allclose(C, expected, rtol=1e-4, atol=1e-5 * expected.max())
    np.testing.assert_allclose(
        model.components_, expected_model.components_, rtol=1e-4, atol=1e-7
    )
    np.testing.assert_allclose(
        model.transform(data), expected, atol=1e-3 * expected.max()
    )


def test_blocks_of_sparse_arrays(counts):
    sparse = pytest.importorskip("sparse")
    cube = counts.reshape(20, 15, 80)
    blocks = da.from_array(cube, chunks=(7, 4, 33)).map_blocks(sparse.COO)
    _, expected = fitted(counts)
    _, C = fitted(as_blocks(blocks))
    np.testing.assert_allclose(C, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_explicit_zeros_and_duplicates_change_nothing(counts):
    X = scipy.sparse.coo_array(counts)
    rows, columns = np.tile((X.row, X.col), 3)
    values = np.concatenate([X.data - 1, np.ones(X.nnz), np.zeros(X.nnz)])
    order = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[order], np.arange(301))
    odd = scipy.sparse.csr_array((values[order], columns[order], indptr), X.shape)
    before = odd.data.copy(), odd.indices.copy()
    _, expected = fitted(counts.astype(float))
    model, C = fitted(as_blocks(odd))
    np.testing.assert_allclose(C, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(odd.data, before[0])
    np.testing.assert_array_equal(odd.indices, before[1])
    np.testing.assert_allclose(model.transform(odd), C, atol=1e-3 * C.max())


def test_sums_that_a_byte_cannot_hold():
    X = np.random.default_rng(0).poisson(60.0, (50, 40)).astype(np.uint8)
    model, C = fitted(X)
    np.testing.assert_allclose(C.sum(axis=1), X.sum(axis=1, dtype=float), rtol=1e-4)


@pytest.mark.parametrize("concentration", [1.0, None])
def test_dead_channels_empty_and_equal_pixels(counts, concentration):
    X = counts.copy()
    X[:, 10:14] = 0
    X[[3, 40]] = 0
    X[100:120] = X[100]
    model, C = fitted(X, concentration=concentration)
    assert not model.components_[:, 10:14].any()
    assert not C[[3, 40]].any()
    np.testing.assert_allclose(C[100:120], C[[100] * 20], rtol=1e-3, atol=1e-2)
    assert np.isfinite(model.deviance_)


@pytest.mark.parametrize("parameters", [{}, {"concentration": None}], ids=str)
def test_counts_that_do_not_fit_in_memory_are_streamed(counts, parameters, monkeypatch):
    reads = []

    def watched(block):
        reads.append(1)
        return block

    monkeypatch.setattr(poisson_fit, "SAMPLE", 200)
    lazy = da.from_array(counts, chunks=(100, 80)).map_blocks(
        watched, dtype=counts.dtype, meta=np.empty((0, 0), counts.dtype)
    )
    kept, expected = fitted(counts, tol=1e-6, **parameters)
    model, C = fitted(lazy, tol=1e-6, memory=0, **parameters)
    assert model.passes_ == len(reads) / 3 > len(model.objective_history_)
    assert model.deviance_ == pytest.approx(kept.deviance_, rel=1e-3)
    assert C.shape == expected.shape
    assert match_components(kept.components_, model.components_)[2].max() < 1.5


def test_masked_pixels_and_channels_do_not_exist(counts):
    mask = np.zeros((20, 15), bool)
    mask[4:6] = True
    hidden = np.zeros(80, bool)
    hidden[:5] = True
    cube = counts.reshape(20, 15, 80)
    _, C = fitted(as_blocks(cube, navigation_mask=mask, signal_mask=hidden))
    _, expected = fitted(counts[~mask.ravel()][:, ~hidden])
    np.testing.assert_allclose(C, expected, rtol=1e-5, atol=1e-5)


def test_transform_repeats_what_the_fit_gave(counts):
    for parameters in ({}, {"concentration": None}, {"sum_to_one": True}):
        model, C = fitted(counts, **parameters)
        np.testing.assert_allclose(model.transform(counts), C, atol=1e-5 * C.max())


def test_groups_hold_channels_of_equal_shares(rng):
    S = rng.random((3, 5))[:, rng.integers(0, 5, 60)] * rng.random(60)
    group = group_channels(S, S.sum(axis=0), 40)
    assert len(np.unique(group)) == 5
    shares = S / S.sum(axis=0)
    for number in range(5):
        assert np.ptp(shares[:, group == number], axis=1).max() < 1e-9
    assert len(np.unique(group_channels(S, S.sum(axis=0), 3))) == 3


def test_same_seed_same_bits(estimator, counts):
    first, second = estimator(), estimator()
    np.testing.assert_array_equal(
        first.fit_transform(counts), second.fit_transform(counts)
    )
    np.testing.assert_array_equal(first.objective_history_, second.objective_history_)


# Stopping


def test_callback_is_told_of_every_iteration(estimator, counts):
    told = []
    model = estimator(n_init=2, callback=told.append).fit(counts)
    assert [p.iteration for p in told] == list(range(1, model.n_iter_ + 1))
    assert {p.start for p in told} == {0, 1} and told[0].n_starts == 2
    assert all(np.isfinite(p.objective) and p.n_components <= 3 for p in told)


@pytest.mark.parametrize("memory", [1e9, 0])
@pytest.mark.parametrize("last", [1, 5, 25])
def test_interruption_keeps_the_best_so_far(estimator, counts, last, memory):
    def interrupt(progress):
        if progress.iteration == last:
            raise KeyboardInterrupt

    model = estimator(callback=interrupt, tol=1e-6, memory=memory)
    with pytest.warns(RuntimeWarning, match=f"interrupted after {last} iterations"):
        C = model.fit_transform(counts)
    assert model.interrupted_ and C.shape == (300, model.n_components_)
    assert model.relative_residual_ < 0.6
    stopped = estimator(callback=lambda p: p.iteration == last, tol=1e-6, memory=memory)
    np.testing.assert_array_equal(C, stopped.fit_transform(counts))
    assert not stopped.interrupted_


@pytest.mark.parametrize("beta", [0.5, 2])
def test_interruption_of_another_loss(counts, beta):
    def interrupt(progress):
        raise KeyboardInterrupt

    model = PoissonNMF(3, beta=beta, random_state=0, callback=interrupt)
    with pytest.warns(RuntimeWarning, match="interrupted after 1 iterations"):
        C = model.fit_transform(counts)
    assert C.shape == (300, 3)


def test_max_iter_is_warned_of(counts):
    with pytest.warns(ConvergenceWarning, match="iterations 3 reached"):
        PoissonNMF(3, max_iter=3, random_state=0).fit(counts)


# Bad input


@pytest.mark.parametrize("memory", [1e9, 0])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("lazy", [False, True])
def test_bad_values_are_named_by_their_place(counts, value, lazy, memory):
    cube = counts.reshape(20, 15, 80).astype(float)
    cube[12, 7, 33] = value
    data = da.from_array(cube, chunks=(8, 8, 80)) if lazy else cube
    with pytest.raises(ValueError, match=r"pixel \(12, 7\), channel 33"):
        PoissonNMF(3, memory=memory).fit(as_blocks(data))


def test_transform_refuses_them_too(counts):
    model, _ = fitted(counts)
    bad = counts.astype(float)
    bad[5, 6] = -2
    with pytest.raises(ValueError, match=r"pixel \(5\), channel 6"):
        model.transform(bad)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 81}, "n_components = 81 .* at most 80"),
        ({"concentration": 1.0, "smoothness": 1.0}, "together with smoothness"),
        ({"sum_to_one": True, "orthogonality": 1.0}, "cannot be used together"),
        ({"beta": 0.5, "smoothness": 1.0}, "cannot be used together"),
        ({"beta": 0}, r"needs positive data, but 0 was found at pixel \(0\)"),
    ],
)
def test_what_does_not_go_together(counts, parameters, message):
    X = counts.copy()
    X[0, 0] = 0
    with pytest.raises(ValueError, match=message):
        PoissonNMF(**({"n_components": 3} | parameters)).fit(X)


def test_relevance_is_for_counts(counts):
    with pytest.raises(ValueError, match="or with relevance"):
        PoissonNMFARD(beta=2).fit(counts)


def test_scaled_data_are_no_counts(counts):
    with pytest.raises(ValueError, match="normalize_poissonian_noise=False"):
        PoissonNMF(3).fit(as_blocks(counts).poisson_scaled())


@pytest.mark.parametrize("beta", [1, 0.5])
@pytest.mark.parametrize("memory", [1e9, 0])
def test_nothing_to_decompose(beta, memory):
    with pytest.raises(ValueError, match="zero everywhere"):
        PoissonNMF(2, beta=beta, memory=memory).fit(np.zeros((10, 8)))


def test_one_component_is_the_mean(counts):
    model = PoissonNMF(1).fit(counts)
    mean = counts.sum(axis=0) / counts.sum()
    np.testing.assert_allclose(model.components_[0], mean, rtol=1e-4)


# In HyperSpy


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("algorithm", ["nmf_kl", "nmf_kl_ard"])
def test_through_the_driver(counts, algorithm, lazy):
    import hyperspy.api as hs

    from sparsedecomp import decompose

    mask = np.zeros((20, 15), bool)
    mask[2, 3] = True
    signal = hs.signals.Signal1D(counts.reshape(20, 15, 80).astype(np.uint8))
    signal = signal.as_lazy() if lazy else signal
    quiet = {"print_info": False, "show_progressbar": False}
    model = decompose(
        signal,
        algorithm,
        3,
        navigation_mask=mask.T,
        reproject="navigation",
        return_info=True,
        random_state=0,
        **quiet,
    )
    results = signal.learning_results
    assert results.deviance == model.deviance_
    total = np.asarray(results.loadings).sum(axis=1)
    np.testing.assert_allclose(total, counts.sum(axis=1), rtol=1e-4)
    # The likelihood weighs the counts itself.
    decompose(signal, algorithm, 3, normalize_poissonian_noise=True, **quiet)
    assert not signal.learning_results.poissonian_noise_normalized
    total = np.asarray(signal.learning_results.loadings).sum(axis=1)
    np.testing.assert_allclose(total, counts.sum(axis=1), rtol=1e-4)


def test_spectra_under_a_background_are_no_farther_off_than_the_smallest_simplex():
    scene = make_scene("six edges", 0)
    X = scene.cube.reshape(-1, scene.cube.shape[-1])

    def worst(model):
        found = model.fit(X).components_
        return match_components(scene.spectra, found)[2].max()

    smallest = worst(MinimumVolume(6, random_state=0))
    assert worst(PoissonNMF(6, random_state=0)) < smallest + 0.2
    assert worst(PoissonNMF(6, init="spa", random_state=0)) > 3

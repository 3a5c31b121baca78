"""What both factorisations promise to whoever uses them."""

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import estimator_checks

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import NMFSO, NMFSOARD
from sparsedecomp.metrics import relative_residual


@estimator_checks.parametrize_with_checks([NMFSO(n_init=1), NMFSOARD(n_init=1)])
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture
def counts(make):
    """Poisson counts of three components in 20 x 15 pixels and 80 channels."""
    mean = make(n=300, scale=40).mean
    return np.random.default_rng(2).poisson(mean).reshape(20, 15, 80)


def test_attributes_fit_together(estimator, noisy):
    model = estimator()
    W = model.fit_transform(noisy)
    H, k = model.components_, model.n_components_
    assert W.shape == (400, k) and H.shape == (k, 80)
    assert np.all(W >= 0) and np.all(H >= 0)
    np.testing.assert_allclose(np.linalg.norm(H, axis=1), 1, rtol=1e-12)
    assert np.all(np.diff(np.linalg.norm(W, axis=0)) <= 0)
    assert model.relative_residual_ == pytest.approx(relative_residual(noisy, W, H))
    assert model.residual_norm_ == pytest.approx(np.linalg.norm(noisy - W @ H))
    np.testing.assert_allclose(model.inverse_transform(W), W @ H)
    assert model.converged_ and not model.interrupted_
    assert model.seconds_ > 0 and model.n_iter_ > len(model.objective_history_) > 1
    assert model.n_features_in_ == 80
    if isinstance(model, NMFSOARD):
        assert model.relevance_.shape == (k,) and np.all(model.relevance_ > 1)


def test_residual_of_weighted_counts_is_that_of_the_counts(estimator, counts):
    model = estimator()
    W = model.fit_transform(counts.reshape(300, 80).astype(float))
    assert model.noise_model_ == "poisson"
    X = counts.reshape(300, 80)
    expected = relative_residual(X, W, model.components_)
    assert model.relative_residual_ == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("noise", ["uniform", "poisson", "estimated"])
def test_transform_repeats_what_the_fit_gave(estimator, counts, noise):
    X = counts.reshape(300, 80).astype(float)
    model = estimator(noise=noise)
    W = model.fit_transform(X)
    # Pixels have their own weights when the noise is estimated: these are not known
    # for other data, and decide between abundances that fit nearly as well.
    tolerance = 0.05 if noise == "estimated" else 1e-9
    np.testing.assert_allclose(model.transform(X), W, atol=tolerance * W.max())


def test_transform_of_other_pixels(make, rng, estimator, noisy):
    model = estimator().fit(noisy)
    maps = rng.dirichlet((1, 1, 1), 50)
    W = model.transform(maps @ model.components_)
    np.testing.assert_allclose(
        W @ model.components_, maps @ model.components_, atol=0.01
    )


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("init", ["auto", "spa", "nndsvd", "random"])
def test_objective_never_rises(estimator, counts, init):
    X = counts.reshape(300, 80)
    for parameters in ({}, {"compression": None}, {"noise": "uniform"}):
        model = estimator(init=init, n_init=1, tol=1e-12, max_iter=200, **parameters)
        model.fit(X)
        histories = [model.objective_history_]
        if isinstance(model, NMFSOARD):
            histories.append(model.selection_history_)
        for history in histories:
            assert np.all(np.diff(history) <= 1e-12 * np.abs(history[:-1]))


@pytest.mark.parametrize("compression", ["auto", 40, None])
def test_objective_is_what_the_docstring_says(noisy, compression):
    model = NMFSO(
        3,
        orthogonality=20.0,
        noise="uniform",
        clipping=False,
        compression=compression,
        random_state=0,
    )
    C = model.fit_transform(noisy)
    w = model.overlap_weight_
    assert w > 0
    overlap = C.T @ C
    overlap = overlap.sum() - np.trace(overlap)
    Q = np.square(noisy - C @ model.components_).sum() + w * overlap
    n = noisy.size
    assert model.objective_ == pytest.approx(n / 2 * (np.log(Q / n) + 1), rel=1e-6)


def test_float32_stays_float32(estimator, noisy):
    single = estimator()
    W = single.fit_transform(noisy.astype(np.float32))
    assert W.dtype == single.components_.dtype == np.float32
    assert single.transform(noisy.astype(np.float32)).dtype == np.float32
    double = estimator().fit(noisy)
    assert double.components_.dtype == np.float64
    assert single.n_components_ == double.n_components_
    np.testing.assert_allclose(single.components_, double.components_, atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64"])
def test_counts_of_any_integer_type(estimator, counts, dtype):
    X = counts.reshape(300, 80)
    model, expected = estimator(), estimator()
    W = model.fit_transform(X.astype(dtype))
    assert W.dtype == np.float32
    np.testing.assert_array_equal(W, expected.fit_transform(X.astype(np.float32)))


def forms(cube):
    flat = cube.reshape(-1, cube.shape[-1])
    return {
        "matrix of blocks": as_blocks(cube),
        "dask": da.from_array(flat, chunks=(70, 80)),
        "dask cube": as_blocks(da.from_array(cube, chunks=(7, 4, 80))),
        "signal chunks": as_blocks(da.from_array(cube, chunks=(20, 5, 33))),
        "csr": scipy.sparse.csr_array(flat),
        "csc matrix": scipy.sparse.csc_matrix(flat),
    }


@pytest.mark.parametrize("form", forms(np.zeros((1, 1, 1))))
@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_every_kind_of_data_gives_one_result(estimator, counts, form, updates):
    reference, model = (
        estimator(updates=updates, max_iter=30, tol=0, n_init=1) for _ in range(2)
    )
    cube = counts.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = reference.fit_transform(cube.reshape(300, 80))
        W = model.fit_transform(forms(cube)[form])
    assert model.noise_model_ == reference.noise_model_
    np.testing.assert_allclose(W, expected, rtol=1e-5, atol=1e-5 * expected.max())
    np.testing.assert_allclose(model.components_, reference.components_, atol=1e-5)
    np.testing.assert_allclose(
        model.transform(forms(cube)[form]),
        model.transform(cube.reshape(300, 80)),
        atol=1e-6 * W.max(),
    )


def test_same_seed_same_bits(estimator, noisy):
    first, second, other = estimator(), estimator(), estimator(random_state=1)
    W = first.fit_transform(noisy)
    np.testing.assert_array_equal(second.fit_transform(noisy), W)
    np.testing.assert_array_equal(second.objective_history_, first.objective_history_)
    assert not np.array_equal(other.fit_transform(noisy), W)


def test_data_are_not_touched(estimator, counts):
    X = counts.reshape(300, 80).astype(float)
    before = X.copy()
    X.flags.writeable = False
    estimator().fit(X).transform(X)
    assert X.tobytes() == before.tobytes()


@pytest.mark.parametrize("compression", ["auto", None])
def test_passes_are_the_reads_of_the_data(estimator, counts, compression):
    reads = []

    def watched(block):
        reads.append(1)
        return block

    data = da.from_array(counts.reshape(300, 80), chunks=(100, 80)).map_blocks(
        watched, dtype=counts.dtype, meta=np.empty((0, 0), counts.dtype)
    )
    model = estimator(compression=compression, n_init=1).fit(data)
    assert model.passes_ == len(reads) / 3
    if compression == "auto":
        assert model.passes_ <= 8
    else:
        assert model.passes_ > model.n_iter_


def test_data_that_are_no_counts_take_few_passes_too(estimator, noisy):
    assert estimator().fit(noisy).passes_ <= 8


# Stopping


@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_callback_is_told_of_every_iteration(estimator, noisy, updates):
    told = []
    model = estimator(updates=updates, callback=told.append, tol=1e-4).fit(noisy)
    assert [p.iteration for p in told] == list(range(1, model.n_iter_ + 1))
    starts = [p.start for p in told]
    assert starts == sorted(starts) and set(starts) == {0, 1}
    for progress in told:
        assert progress.max_iter == 1000 and progress.n_starts == 2
        assert np.isfinite(progress.objective) and 1 <= progress.n_components <= 3
    for name in ("seconds", "passes"):
        values = [getattr(progress, name) for progress in told]
        assert values == sorted(values) and values[0] > 0
    assert told[-1].seconds <= model.seconds_ and told[-1].passes <= model.passes_


@pytest.mark.parametrize("updates", ["penalised", "published"])
@pytest.mark.parametrize("last", [1, 5, 14])
def test_callback_ends_the_fit(estimator, noisy, updates, last, recwarn):
    model = estimator(updates=updates, callback=lambda p: p.iteration == last)
    W = model.fit_transform(noisy)
    assert model.n_iter_ == last and not model.interrupted_
    assert not [w for w in recwarn if w.category is ConvergenceWarning]
    assert W.shape == (400, model.n_components_)
    assert model.relative_residual_ < 0.5


@pytest.mark.parametrize("updates", ["penalised", "published"])
@pytest.mark.parametrize("last", [1, 5, 14])
def test_interruption_keeps_the_best_so_far(estimator, noisy, updates, last):
    def interrupt(progress):
        if progress.iteration == last:
            raise KeyboardInterrupt

    model = estimator(updates=updates, callback=interrupt)
    with pytest.warns(RuntimeWarning, match=f"interrupted after {last} iterations"):
        W = model.fit_transform(noisy)
    assert model.interrupted_
    stopped = estimator(updates=updates, callback=lambda p: p.iteration == last)
    np.testing.assert_array_equal(W, stopped.fit_transform(noisy))


def test_interruption_of_a_later_start_keeps_the_earlier(estimator, noisy):
    def interrupt(progress):
        if progress.start == 1:
            raise KeyboardInterrupt

    model = estimator(callback=interrupt)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        model.fit(noisy)
    alone = estimator(n_init=1).fit(noisy)
    assert model.n_components_ == 3
    assert model.relative_residual_ == pytest.approx(alone.relative_residual_, rel=0.01)


def test_interruption_in_the_middle_of_a_pass(estimator, noisy, monkeypatch):
    from sparsedecomp.blocks import BlockMatrix

    run, passes = BlockMatrix.run, []

    def interrupted_run(self, *args, **kwargs):
        passes.append(1)
        if len(passes) == 30:
            raise KeyboardInterrupt
        return run(self, *args, **kwargs)

    monkeypatch.setattr(BlockMatrix, "run", interrupted_run)
    model = estimator(compression=None)
    with pytest.warns(RuntimeWarning, match="the best result so far was kept"):
        W = model.fit_transform(noisy)
    assert model.interrupted_ and len(passes) > 30
    assert relative_residual(noisy, W, model.components_) < 0.2


@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_too_few_iterations_are_warned_of(estimator, noisy, updates):
    model = estimator(updates=updates, max_iter=3)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 3 reach"):
        model.fit(noisy)
    assert not model.converged_


def test_tolerance_decides_how_long(estimator, noisy):
    coarse, fine = estimator(tol=1e-4).fit(noisy), estimator(tol=1e-9).fit(noisy)
    assert coarse.n_iter_ < fine.n_iter_
    assert fine.objective_ <= coarse.objective_


# Bad input


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_nan_and_infinity_are_refused_by_place(estimator, noisy, value, updates):
    X = noisy.copy()
    X[17, 5] = value
    with pytest.raises(ValueError, match=r"NaN or infinity.*pixel \(17\), channel 5"):
        estimator(updates=updates).fit(X)
    with pytest.raises(ValueError, match=r"NaN or infinity.*pixel \(17\), channel 5"):
        estimator().fit(noisy).transform(X)


@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_negative_values_need_no_mask_in_any_kind_of_data(estimator, noisy, updates):
    X = noisy.copy()
    X[3, 7] = -0.01
    expected = estimator(updates=updates).fit(X)
    for data in (scipy.sparse.csr_array(X), da.from_array(X, chunks=(90, 80))):
        model = estimator(updates=updates).fit(data)
        np.testing.assert_allclose(model.components_, expected.components_, atol=1e-4)
    assert expected.transform(X).min() >= 0


def test_poisson_noise_is_not_assumed_for_negative_data(estimator, noisy):
    X = noisy.copy()
    X[3, 7] = -0.5
    with pytest.raises(
        ValueError, match="needs counts, but the data are neg.*channel 7"
    ):
        estimator(noise="poisson").fit(X)


def test_place_in_a_masked_cube_is_that_of_the_cube(estimator, counts):
    cube = counts.astype(float)
    cube[4, 6, 9] = np.nan
    mask = np.zeros((20, 15), bool)
    mask[:3] = True
    with pytest.raises(ValueError, match=r"pixel \(4, 6\), channel 9"):
        estimator().fit(as_blocks(cube, 1, mask))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "'n_components'.* Got 0 instead"),
        ({"n_components": -2}, "'n_components'.* Got -2 instead"),
        ({"n_components": 2.0}, "'n_components'.* Got 2.0 instead"),
        ({"n_components": 81}, "n_components = 81 .*400 pixels and 80 .* at most 80"),
        ({"orthogonality": -0.1}, "'orthogonality'.* Got -0.1 instead"),
        ({"updates": "new"}, "'updates'.* Got 'new' instead"),
        ({"init": "pca"}, "'init'.* Got 'pca' instead"),
        ({"n_init": 0}, "'n_init'.* Got 0 instead"),
        ({"max_iter": 0}, "'max_iter'.* Got 0 instead"),
        ({"tol": -1}, "'tol'.* Got -1 instead"),
        ({"compression": "none"}, "'compression'.* Got 'none' instead"),
        ({"compression": 0}, "'compression'.* Got 0 instead"),
        ({"noise": "shot"}, "'noise'.* Got 'shot' instead"),
        ({"clipping": "yes"}, "'clipping'.* Got 'yes' instead"),
        ({"callback": 3}, "'callback'.* Got 3 instead"),
    ],
)
def test_bad_parameters_are_refused(estimator, noisy, parameters, message):
    with pytest.raises(ValueError, match=message):
        estimator(**parameters).fit(noisy)


def test_unknown_parameters_are_refused():
    with pytest.raises(TypeError, match="beta"):
        NMFSO(beta=1)


@pytest.mark.parametrize("updates", ["penalised", "published"])
def test_data_of_nothing_are_refused(estimator, updates):
    with pytest.raises(ValueError, match="zero everywhere"):
        estimator(updates=updates).fit(np.zeros((20, 10)))


def test_one_pixel_is_refused(estimator):
    with pytest.raises(ValueError, match="1 pixel, expected at least 2"):
        estimator(n_components=1).fit(np.ones((1, 10)))


def test_other_channels_are_refused(estimator, noisy):
    model = estimator().fit(noisy)
    for data in (noisy[:, :70], da.from_array(noisy[:, :70])):
        with pytest.raises(ValueError, match="X has 70 features, but .* 80 features"):
            model.transform(data)


def test_unfitted_estimator_says_so(estimator, noisy):
    with pytest.raises(NotFittedError):
        estimator().transform(noisy)
    with pytest.raises(NotFittedError):
        estimator().inverse_transform(np.ones((3, 3)))


# Data that leave little to find


@pytest.mark.parametrize("value", [1.0, 0.37, 1e-9])
def test_constant_data_are_one_component(value):
    X = np.full((60, 40), value)
    model = NMFSOARD(random_state=0)
    W = model.fit_transform(X)
    assert model.n_components_ == 1
    np.testing.assert_allclose(W @ model.components_, X, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_of_rank_one_are_one_component(rng, dtype):
    X = np.outer(rng.random(60), rng.random(40)).astype(dtype)
    model = NMFSOARD(random_state=0)
    W = model.fit_transform(X)
    assert model.n_components_ == 1
    np.testing.assert_allclose(W @ model.components_, X, atol=1e-5)


def test_more_components_than_the_rank(rng):
    X = np.outer(rng.random(60), rng.random(40))
    model = NMFSO(4, random_state=0).fit(X)
    assert 1 <= model.n_components_ <= 4
    assert model.relative_residual_ < 1e-4


def test_as_many_components_as_there_can_be(rng):
    X = rng.random((20, 6)) + 0.1
    model = NMFSO(random_state=0, n_init=1, tol=1e-6).fit(X)
    assert model.n_components_ == 6
    assert model.relative_residual_ < 0.1


def test_empty_pixels_and_channels(estimator, counts):
    X = counts.reshape(300, 80).copy()
    X[[0, 17]] = 0
    X[:, [3, 79]] = 0
    model = estimator()
    W = model.fit_transform(X)
    assert not W[[0, 17]].any() and not model.components_[:, [3, 79]].any()
    assert np.all(np.isfinite(W)) and np.all(np.isfinite(model.components_))


def test_clone_and_parameters(estimator):
    model = estimator(tol=1e-3)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(tol=1e-4).tol == 1e-4


def test_names_of_what_comes_out(estimator, noisy):
    model = estimator().fit(noisy)
    name = type(model).__name__.lower()
    expected = [f"{name}{i}" for i in range(model.n_components_)]
    assert model.get_feature_names_out().tolist() == expected

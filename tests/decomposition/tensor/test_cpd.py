"""Canonical polyadic decomposition: recovery, blocks, counts, gaps, bad input."""

import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import CPD, Tucker
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.decomposition.tensor.algebra import congruence, core_consistency
from sparsedecomp.decomposition.tensor.cpd_likelihood import (
    CountTensor,
    KruskalState,
    PoissonCPD,
    gather_counts,
)

from ...naive import tensor as naive


@parametrize_with_checks([CPD(n_init=2), CPD(gaps=True, n_init=1), Tucker()])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def fit(X, k=3, **parameters):
    return CPD(k, random_state=0, **parameters).fit(X)


@pytest.mark.parametrize("shape", [(9, 40, 50), (6, 7, 8, 30), (3, 5, 4, 4, 20)])
@pytest.mark.parametrize("nonnegative", [True, False])
def test_factors_are_found_without_noise(tensor, shape, nonnegative):
    X, truth = tensor(shape)
    model = fit(X, nonnegative=nonnegative)
    assert congruence(truth, model.factors_) > 0.9999
    assert model.relative_residual_ < 1e-4
    assert model.passes_ == 3


def test_factors_are_unit_vectors_sorted_by_weight(tensor):
    X, _ = tensor(noise=0.1)
    model = fit(X)
    for factor in model.factors_:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1)
        assert factor.min() >= 0
    assert np.all(np.diff(model.weights_) <= 0)
    np.testing.assert_array_equal(model.components_, model.factors_[-1].T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_residual_is_that_of_the_data(tensor, dtype):
    X, _ = tensor(noise=0.1, dtype=dtype)
    model = CPD(3, random_state=0)
    W = model.fit_transform(X)
    assert W.dtype == dtype
    left = X.reshape(len(W), -1).astype(float) - model.inverse_transform(W)
    left = np.linalg.norm(left)
    assert model.residual_norm_ == pytest.approx(left, rel=1e-5)
    weighted = [model.factors_[0] * model.weights_, *model.factors_[1:]]
    np.testing.assert_allclose(
        naive.composed(weighted), model.inverse_transform(W).reshape(X.shape), rtol=1e-4
    )


def test_objective_falls(tensor):
    history = fit(tensor(noise=0.2)[0]).objective_history_
    assert len(history) > 3 and np.all(np.diff(history) <= 1e-12)


def test_units_do_not_matter(tensor):
    X, _ = tensor(noise=0.1)
    one, other = fit(X, tol=1e-10), fit(1e6 * X, tol=1e-10)
    assert congruence(one.factors_, other.factors_) > 1 - 1e-6
    np.testing.assert_allclose(other.weights_, 1e6 * one.weights_, rtol=1e-3)


def test_same_seed_same_bits(tensor):
    X, _ = tensor(noise=0.1)
    np.testing.assert_array_equal(fit(X).components_, fit(X).components_)


CHUNKS = [(9, 40, 50), (4, 40, 50), (9, 7, 50), (2, 13, 20)]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_lazy_data_give_the_same(tensor, chunks):
    X, _ = tensor(noise=0.1)
    eager = fit(X, tol=1e-11)
    lazy = fit(da.from_array(X, chunks=chunks), tol=1e-11)
    np.testing.assert_allclose(lazy.weights_, eager.weights_, rtol=1e-5)
    for one, other in zip(lazy.factors_, eager.factors_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_cluster_gives_the_same(tensor):
    distributed = pytest.importorskip("distributed")
    X, _ = tensor(noise=0.1)
    holed = np.where(np.random.default_rng(0).random(X.shape) < 0.01, np.nan, X)
    gaps = {"gaps": True, "tol": 1e-11}
    eager = fit(X, tol=1e-11)
    options = {"processes": True, "dashboard_address": None}
    with distributed.LocalCluster(2, threads_per_worker=1, **options) as cluster:
        with distributed.Client(cluster):
            lazy = fit(da.from_array(X, chunks=(4, 20, 50)), tol=1e-11)
            gappy = fit(da.from_array(holed, chunks=(4, 20, 50)), **gaps)
    for found, expected in ((lazy, eager), (gappy, fit(holed, **gaps))):
        for one, other in zip(found.factors_, expected.factors_, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_axes_of_a_mode_need_not_be_neighbours(tensor):
    X, truth = tensor((6, 20, 30))
    # Pixels (4, 5) around the series: axes y, series, x, channels.
    cube = X.reshape(6, 4, 5, 30).transpose(1, 0, 2, 3)
    model = CPD(3, modes=(1, (0, 2)), random_state=0)
    W = model.fit_transform(cube)
    assert congruence(truth, model.factors_) > 0.9999
    np.testing.assert_allclose(
        model.inverse_transform(W).reshape(cube.shape), cube, atol=1e-4
    )


@pytest.mark.parametrize("nonnegative", [True, False])
def test_missing_fibres_have_no_weight_and_are_predicted(tensor, nonnegative):
    X, truth = tensor((9, 40, 50))
    rng = np.random.default_rng(1)
    missing = rng.random((9, 40)) < 0.3
    missing[:, 5] = False
    missing[2] = False
    spoilt = np.where(missing[..., None], 1e3, X)
    blocks = as_blocks(spoilt, navigation_mask=missing)
    model = CPD(3, nonnegative=nonnegative, tol=1e-13, max_iter=5000, random_state=0)
    W = model.fit_transform(blocks)
    assert len(W) == (~missing).sum()
    assert congruence(truth, model.factors_) > 0.999
    assert np.isnan(model.core_consistency_)
    # Missing fibres are predicted.
    weighted = [model.factors_[0] * model.weights_, *model.factors_[1:]]
    found = naive.composed(weighted)[missing]
    assert np.linalg.norm(found - X[missing]) < 0.03 * np.linalg.norm(X[missing])


def test_core_consistency_is_that_of_the_whole_data(tensor, rng):
    X, factors = tensor((5, 6, 7), noise=0.3)
    expected = naive.core_consistency(X, factors)
    assert core_consistency(X, factors) == pytest.approx(expected)
    X, _ = tensor(noise=0.02)
    assert fit(X).core_consistency_ > 95
    with_one_more = fit(X, 4).core_consistency_
    assert with_one_more < 80


def counts_of(tensor, mean, seed=0, shape=(9, 200, 60)):
    X, truth = tensor(shape)
    X = np.random.default_rng(seed).poisson(X * mean / X.sum(axis=-1).mean())
    return X, truth


def test_likelihood_of_few_counts_gives_better_factors_than_least_squares(tensor):
    X, truth = counts_of(tensor, 5)
    plain = fit(X, noise="uniform")
    weighted = fit(X, likelihood=False)
    best = fit(X)
    assert (plain.noise_model_, weighted.noise_model_) == ("uniform", "poisson")
    assert best.likelihood_ and not weighted.likelihood_
    found = [congruence(truth, m.factors_) for m in (plain, weighted, best)]
    assert found[2] > max(found[:2]) and found[2] > 0.9
    # Maximum likelihood keeps the number of counts.
    W = best.fit_transform(X)
    assert (W @ best.components_).sum() == pytest.approx(X.sum(), rel=1e-4)
    assert best.passes_ == 4


def test_counts_in_any_storage_and_unit_give_the_same(tensor):
    X, _ = counts_of(tensor, 5, shape=(6, 50, 40))
    one = fit(X)
    for other, unit in (
        (fit(da.from_array(X, chunks=(4, 17, 40))), 1.0),
        (fit(0.25 * X), 0.25),
    ):
        assert congruence(one.factors_, other.factors_) > 1 - 1e-4
        np.testing.assert_allclose(other.weights_, unit * one.weights_, rtol=0.01)
    assert one.relative_residual_ == pytest.approx(fit(0.25 * X).relative_residual_)


def test_scaled_data_are_fitted_with_weights_by_modes(tensor):
    X, truth = counts_of(tensor, 50)
    blocks = as_blocks(X.astype(float))
    scaled = blocks.poisson_scaled()
    model = CPD(3, random_state=0)
    W = model.fit_transform(scaled)
    plain = CPD(3, random_state=0)
    expected = plain.fit_transform(blocks)
    np.testing.assert_allclose(W * scaled.row_scale[:, None], expected, rtol=1e-9)
    np.testing.assert_allclose(
        model.components_ * scaled.column_scale, plain.components_, rtol=1e-9
    )


def test_residual_of_the_likelihood_is_that_of_the_weighted_data(tensor):
    X, _ = counts_of(tensor, 5, shape=(5, 30, 40))
    model = CPD(2, random_state=0)
    W = model.fit_transform(X)
    rows = X.sum(axis=-1)
    a, b = rows.mean(axis=1), rows.mean(axis=0)
    c = X.sum(axis=(0, 1))
    weight = np.einsum("a,b,c->abc", a / a.mean(), b / b.mean(), c / c.mean())
    left = np.square(X - (W @ model.components_).reshape(X.shape)) / weight
    expected = np.sqrt(left.sum() / (X**2 / weight).sum())
    assert model.relative_residual_ == pytest.approx(expected, rel=1e-4)


def test_likelihood_never_falls_in_a_plain_step(rng):
    truth = [rng.random((n, 3)) for n in (5, 20, 30)]
    X = rng.poisson(np.einsum("ar,br,cr->abc", *truth))
    observed = rng.random((5, 20)) > 0.2
    blocks = as_blocks(X, navigation_mask=~observed)
    indices = list(np.unravel_index(blocks.rows, (5, 20)))
    counts = CountTensor(gather_counts(blocks), indices, (5, 20), observed)
    method = PoissonCPD([counts], [range(3)])
    factors = [rng.dirichlet(np.ones(n), 3).T for n in X.shape]
    state, values = KruskalState(np.full((1, 3), X.sum() / 3), factors), []
    for _ in range(30):
        state, value = method.step(state)
        values.append(value)
    assert np.all(np.diff(values) <= 1e-7 * abs(values[0]))
    # Its maximum is reached where the model expects as much as was measured.
    top = iterate(method, state, 3000).state
    expected = np.einsum("r,ar,br,cr->abc", top.weights[0], *top.factors)[observed]
    assert expected.sum() == pytest.approx(X[observed].sum(), rel=1e-3)


def test_counts_are_gathered_in_the_order_of_the_rows(rng):
    X = rng.poisson(0.3, (7, 6, 9)).astype(np.uint8)
    flat = scipy.sparse.csr_array(X.reshape(42, 9).astype(float))
    for data in (X, da.from_array(X, chunks=(3, 4, 5)), flat):
        counts = gather_counts(as_blocks(data))
        found = scipy.sparse.csr_array(
            (counts.values, counts.channels, counts.indptr), (42, 9)
        )
        np.testing.assert_array_equal(found.toarray(), X.reshape(42, 9))


def test_callback_ends_the_fit_and_keeps_the_result(tensor):
    X, _ = tensor(noise=0.1)
    model = CPD(3, random_state=0, callback=lambda progress: progress.iteration == 7)
    W = model.fit_transform(X)
    assert model.n_iter_ == 7 and not model.interrupted_
    assert np.all(np.isfinite(W))


@pytest.mark.parametrize("when", [1, 30, "end"])
def test_interrupted_fit_keeps_the_best_result(tensor, when):
    X, _ = counts_of(tensor, 5, shape=(6, 50, 40))
    # In the end the likelihood is climbed.
    when = fit(X).n_iter_ - 2 if when == "end" else when

    def interrupt(progress):
        if progress.iteration == when:
            raise KeyboardInterrupt

    model = CPD(3, random_state=0, callback=interrupt)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        model.fit(X)
    assert model.interrupted_ and np.all(np.isfinite(model.components_))


def test_transform_solves_for_every_pixel(tensor):
    X, _ = tensor()
    for nonnegative in (True, False):
        model = CPD(3, nonnegative=nonnegative, random_state=0)
        W = model.fit_transform(X)
        np.testing.assert_allclose(model.transform(X), W, atol=1e-3 * W.max())


def test_bad_input(tensor):
    X, _ = tensor((4, 5, 6))
    with pytest.raises(ValueError, match="expected at most 20"):
        CPD(21).fit(X)
    with pytest.raises(ValueError, match="expected every axis from 0 to 1"):
        CPD(2, modes=(0,)).fit(X)
    spoilt = X.copy()
    spoilt[2, 3, 4] = np.nan
    with pytest.raises(ValueError, match=r"pixel \(2, 3\), channel 4"):
        CPD(2).fit(spoilt)
    with pytest.raises(ValueError, match="Poisson weights need counts.*negative"):
        CPD(2, noise="poisson").fit(X - 1)
    mask = np.zeros((4, 5), bool)
    mask[1] = True
    with pytest.raises(ValueError, match="masked at position 1 of navigation axis 0"):
        CPD(2).fit(as_blocks(X, navigation_mask=mask))
    with pytest.warns(UserWarning, match="too small for 8 components to be unique"):
        CPD(8, random_state=0).fit(X)


def test_missing_entries_that_are_not_determined_are_told(rng):
    factors = [rng.normal(size=(n, 3)) for n in (20, 18, 16)]
    X = np.einsum("ir,jr,er->ije", *factors)
    X += 0.01 * rng.normal(size=X.shape)
    order = rng.random(X.shape)
    half = CPD(3, nonnegative=False, gaps=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half.fit(np.where(order < 0.5, np.nan, X))
    with pytest.warns(UserWarning, match="missing entries are not determined"):
        clone(half).fit(np.where(order < 0.93, np.nan, X))


def test_components_that_cancel_are_told(rng):
    # A tensor of rank three that tensors of rank two approach without end.
    one, other = ([rng.normal(size=n) for n in (12, 11, 10)] for _ in range(2))
    X = sum(
        np.einsum("i,j,e->ije", *(other[m] if m == n else one[m] for m in range(3)))
        for n in range(3)
    )
    with pytest.warns(UserWarning, match="Components 0 and 1 nearly cancel"):
        CPD(2, nonnegative=False, random_state=0).fit(X)

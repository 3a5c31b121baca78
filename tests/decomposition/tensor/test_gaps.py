"""Single missing entries have no weight, whatever value is in their place."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import CPD
from sparsedecomp.decomposition.tensor.algebra import congruence
from sparsedecomp.decomposition.tensor.cpd_likelihood import (
    CountTensor,
    KruskalState,
    PoissonCPD,
    gather_counts,
)
from sparsedecomp.decomposition.tensor.gaps import find_gaps
from sparsedecomp.decomposition.tensor.modes import Folding

from ...naive import tensor as naive


def with_gaps(X, part, seed=1):
    missing = np.random.default_rng(seed).random(X.shape) < part
    return np.where(missing, np.nan, X), missing


def fit(X, k=3, **parameters):
    return CPD(k, gaps=True, random_state=0, **parameters).fit(X)


def model_of(model):
    weighted = [model.factors_[0] * model.weights_, *model.factors_[1:]]
    letters = "abcde"[: len(weighted)]
    terms = ",".join(f"{letter}z" for letter in letters)
    return np.einsum(f"{terms}->{letters}", *weighted)


@pytest.mark.parametrize("nonnegative", [True, False])
def test_missing_entries_have_no_weight(tensor, nonnegative):
    X, _ = tensor((5, 9, 12), k=2, noise=0.3)
    X, missing = with_gaps(X, 0.1)
    model = fit(X, 2, nonnegative=nonnegative, tol=1e-11)
    left = np.square(model_of(model) - X)[~missing].sum()
    expected = naive.masked_least_squares(X, 2, nonnegative)
    assert left == pytest.approx(expected, rel=1e-4)
    assert model.residual_norm_ == pytest.approx(np.sqrt(left))
    whole = np.square(X[~missing]).sum()
    assert model.relative_residual_ == pytest.approx(np.sqrt(left / whole))
    assert model.noise_variance_ == pytest.approx(left / (~missing).sum())


@pytest.mark.parametrize("modes", [None, (1, 0)])
@pytest.mark.parametrize("part", [0.01, 0.3])
def test_missing_entries_are_predicted(tensor, part, modes):
    clean, truth = tensor()
    X, missing = with_gaps(clean, part)
    model = fit(X, modes=modes)
    order = [0, 1, 2] if modes is None else [1, 0, 2]
    assert congruence([truth[m] for m in order], model.factors_) > 0.9999
    found = model_of(model).transpose(order)[missing]
    assert np.linalg.norm(found - clean[missing]) < 2e-3 * np.linalg.norm(found)
    assert model.core_consistency_ > 95


def test_lazy_data_give_the_same_in_few_passes(tensor):
    X, _ = with_gaps(tensor(noise=0.1)[0], 0.02)
    eager, lazy = fit(X), fit(da.from_array(X, chunks=(4, 17, 50)))
    assert lazy.passes_ <= 8
    for one, other in zip(lazy.factors_, eager.factors_, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_complete_data_give_the_same_with_gaps_allowed(tensor):
    X, _ = tensor(noise=0.1)
    plain, model = CPD(3, random_state=0).fit(X), fit(X)
    assert (plain.passes_, model.passes_) == (3, 4)
    np.testing.assert_allclose(plain.components_, model.components_, rtol=1e-6)


def test_positions_without_data_are_masked_positions(tensor):
    X, _ = tensor(noise=0.1)
    empty = np.zeros(X.shape[:2], bool)
    empty[2, 5] = empty[4, 7:9] = True
    one = fit(np.where(empty[..., None], np.nan, X))
    W = CPD(3, random_state=0).fit_transform(as_blocks(X, navigation_mask=empty))
    found = fit(np.where(empty[..., None], np.nan, X)).fit_transform(
        np.where(empty[..., None], np.nan, X)
    )
    assert np.isnan(one.core_consistency_) and len(found) == X[..., 0].size
    np.testing.assert_allclose(found[~empty.ravel()], W, rtol=1e-9)
    # Beside single entries that are missing, as well.
    both, _ = with_gaps(X, 0.02)
    both[empty] = np.nan
    assert congruence(fit(both).factors_, one.factors_) > 0.999


def test_likelihood_of_counts_with_missing_entries_recovers_factors(tensor):
    X, truth = tensor((9, 150, 60))
    X = np.random.default_rng(0).poisson(X * 5 / X.sum(axis=-1).mean()).astype(float)
    gappy, missing = with_gaps(X, 0.1)
    model = fit(gappy)
    assert model.noise_model_ == "poisson" and model.likelihood_
    assert congruence(truth, model.factors_) > 0.93
    # As much is expected where something was measured as was measured.
    expected = model_of(model)[~missing].sum()
    assert expected == pytest.approx(X[~missing].sum(), rel=1e-3)
    rows = np.nanmean(gappy, axis=-1)
    weight = np.einsum(
        "a,b,c->abc", rows.mean(1), rows.mean(0), np.nanmean(gappy, axis=(0, 1))
    )
    left = np.square(model_of(model) - X) / weight
    expected = left[~missing].sum() / (X**2 / weight)[~missing].sum()
    assert model.relative_residual_ == pytest.approx(np.sqrt(expected), rel=1e-3)


def test_likelihood_of_observed_counts_never_falls(rng):
    truth = [rng.random((n, 3)) for n in (5, 12, 20)]
    X = rng.poisson(np.einsum("ar,br,cr->abc", *truth)).astype(float)
    gappy, missing = with_gaps(X, 0.1)
    folding = Folding.of((5, 12))
    data = find_gaps(as_blocks(gappy), folding)
    counts = gather_counts(as_blocks(np.where(missing, 0.0, X)))
    indices = folding.indices(np.arange(60))
    tensor = CountTensor(counts, indices, (5, 12), None, data.missing)
    method = PoissonCPD([tensor], [range(3)])
    factors = [rng.dirichlet(np.ones(n), 3).T for n in X.shape]
    state = KruskalState(np.full((1, 3), X.sum() / 3), factors)
    values, direct = [], []
    for _ in range(30):
        expected = np.einsum("r,ar,br,cr->abc", state.weights[0], *state.factors)
        direct.append((expected - X * np.log(expected))[~missing].sum())
        state, value = method.step(state)
        values.append(value)
    np.testing.assert_allclose(values, direct, rtol=1e-10)
    assert np.all(np.diff(values) <= 0)


def test_positions_of_missing_entries_are_found(rng):
    X = rng.poisson(3.0, (4, 5, 6)).astype(float)
    X[1, 2, 3] = X[0, 0, 5] = X[2, 2] = np.nan
    sparse = scipy.sparse.csr_array(X.reshape(20, 6))
    for cube, shape in ((X, (4, 5)), (sparse, (20,))):
        data = find_gaps(as_blocks(cube), Folding.of(shape))
        assert data.blocks.shape == (19, 6) and data.summary.whole_numbers
        where = np.stack(data.missing.indices, axis=1)
        expected = np.argwhere(np.isnan(X.reshape(*shape, 6)))
        empty = np.isnan(X.reshape(*shape, 6)).all(axis=-1)
        expected = [list(at) for at in expected if not empty[tuple(at[:-1])]]
        np.testing.assert_array_equal(np.sort(where, axis=0), np.sort(expected, axis=0))


@pytest.mark.parametrize("nonnegative", [True, False])
def test_transform_ignores_missing_entries(tensor, nonnegative):
    X, _ = tensor()
    gappy, _ = with_gaps(X, 0.2)
    model = CPD(3, gaps=True, nonnegative=nonnegative, n_init=2, random_state=0)
    W = model.fit_transform(X)
    gappy[2, 3] = np.nan
    found = model.transform(gappy)
    empty = 2 * X.shape[1] + 3
    assert not found[empty].any()
    kept = np.arange(len(W)) != empty
    np.testing.assert_allclose(found[kept], W[kept], atol=0.02 * W.max())
    lines = scipy.sparse.csr_array(gappy.reshape(len(W), -1))
    np.testing.assert_allclose(model.transform(lines), found)
    gappy[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="hold infinity"):
        model.transform(gappy)


def test_kinetic_fluorescence_of_enzymes(data_dir):
    s = datasets.load("kinetic_fluorescence")
    X = np.where(np.isfinite(s.data), s.data, np.nan)
    assert 0.003 < np.isnan(X).mean() < 0.005
    for k, target in ((2, 99.78), (3, 99.87)):
        model = fit(X, k, nonnegative=False, n_init=4)
        assert 100 * (1 - model.relative_residual_**2) > target


def test_bad_input(tensor):
    X, _ = tensor((4, 5, 6))
    with pytest.raises(ValueError, match="NaN or infinity.*pixel"):
        CPD(2).fit(with_gaps(X, 0.1)[0])
    empty = X.copy()
    empty[..., 4] = np.nan
    with pytest.raises(ValueError, match="Everything is missing in channel 4"):
        fit(empty)
    empty = X.copy()
    empty[1] = np.nan
    with pytest.raises(ValueError, match="masked at position 1 of navigation axis 0"):
        fit(empty)
    empty[1] = np.inf
    with pytest.raises(ValueError, match=r"infinity, the first at pixel \(1, 0\)"):
        fit(empty)
    with pytest.raises(ValueError, match="Everything is missing in channel 0"):
        fit(np.full_like(X, np.nan))

"""Tucker decomposition: bases, core, residual, denoising, valid ranks."""

import dask.array as da
import numpy as np
import pytest

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import Tucker


def composed(model):
    X = model.core_
    for mode, factor in enumerate(model.factors_):
        X = np.moveaxis(np.tensordot(factor, X, axes=(1, mode)), 0, mode)
    return X


@pytest.mark.parametrize("nonnegative", [False, True])
def test_core_and_factors_are_the_model(tensor, nonnegative):
    X, _ = tensor(noise=0.1)
    model = Tucker(3, ranks=(2, 3), nonnegative=nonnegative, random_state=0)
    W = model.fit_transform(X)
    assert model.core_.shape == (2, 3, 3) and model.passes_ == 3
    np.testing.assert_allclose(
        composed(model).reshape(len(W), -1), model.inverse_transform(W), atol=1e-8
    )
    left = np.linalg.norm(X - composed(model)) / np.linalg.norm(X)
    assert model.relative_residual_ == pytest.approx(left, rel=1e-6)
    if nonnegative:
        assert model.core_.min() >= 0
        assert all(factor.min() >= 0 for factor in model.factors_)
    else:
        for factor in model.factors_:
            np.testing.assert_allclose(
                factor.T @ factor, np.eye(factor.shape[1]), atol=1e-8
            )


def test_fit_is_as_good_as_iterations_on_uncompressed_data(tensor):
    X, _ = tensor((12, 30, 40), noise=0.5)
    model = Tucker(3, random_state=0).fit(X)
    bases = [np.linalg.svd(np.moveaxis(X, m, 0).reshape(n, -1))[0][:, :3]
             for m, n in enumerate(X.shape)]  # fmt: skip
    for _ in range(50):
        for mode in range(3):
            part = X
            for other in range(3):
                if other != mode:
                    part = np.moveaxis(
                        np.tensordot(bases[other].T, part, axes=(1, other)), 0, other
                    )
            unfolded = np.moveaxis(part, mode, 0).reshape(X.shape[mode], -1)
            bases[mode] = np.linalg.svd(unfolded, full_matrices=False)[0][:, :3]
    core = np.einsum("abc,ax,by,cz->xyz", X, *bases)
    best = np.sqrt(1 - (core**2).sum() / (X**2).sum())
    assert model.relative_residual_ <= best * 1.002


def test_model_has_less_noise_than_the_data(tensor):
    clean, _ = tensor()
    X, _ = tensor(noise=0.3)
    model = Tucker(3, random_state=0).fit(X)
    assert np.linalg.norm(composed(model) - clean) < 0.2 * np.linalg.norm(X - clean)
    assert [len(s) for s in model.singular_values_[:2]] == [9, 40]


@pytest.mark.parametrize("chunks", [(4, 40, 50), (2, 13, 20)])
def test_lazy_data_give_the_same(tensor, chunks):
    X, _ = tensor(noise=0.1)
    eager = Tucker(3, random_state=0).fit(X)
    lazy = Tucker(3, random_state=0).fit(da.from_array(X, chunks=chunks))
    np.testing.assert_allclose(composed(lazy), composed(eager), atol=1e-5 * X.max())


def test_missing_fibres_have_no_weight_and_are_predicted(tensor):
    X, _ = tensor()
    missing = np.random.default_rng(2).random((9, 40)) < 0.2
    spoilt = np.where(missing[..., None], 50.0, X)
    model = Tucker(3, max_iter=2000, tol=1e-14, random_state=0)
    model.fit(as_blocks(spoilt, navigation_mask=missing))
    left = composed(model)[missing] - X[missing]
    assert np.linalg.norm(left) < 0.01 * np.linalg.norm(X[missing])
    with pytest.raises(ValueError, match="needs all positions, but some are masked"):
        Tucker(2, nonnegative=True).fit(as_blocks(X, navigation_mask=missing))


@pytest.mark.parametrize("ranks", [(10, 3), (0, 3), (1, 2)])
def test_ranks_that_a_mode_does_not_allow_are_refused(tensor, ranks):
    with pytest.raises(ValueError, match=r"mode \d allows 1 to"):
        Tucker(3, ranks=ranks).fit(tensor()[0])


def test_ranks_of_other_modes_are_refused(tensor):
    with pytest.raises(ValueError, match="for 2 modes besides the channels"):
        Tucker(3, ranks=(2, 2, 2)).fit(tensor()[0])


def test_callback_ends_the_fit(tensor):
    for nonnegative in (True, False):
        model = Tucker(
            3, nonnegative=nonnegative, callback=lambda p: p.iteration == 1, tol=0.0
        ).fit(tensor(noise=0.1)[0])
        assert model.n_iter_ == 1 and not model.converged_

"""The diagnostics of the rank find the number of components or recommend none."""

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import CPD, tensor_rank
from sparsedecomp.decomposition.tensor.algebra import congruence
from sparsedecomp.decomposition.tensor.folds import _thinned
from sparsedecomp.decomposition.tensor.rank_diagnostics import _verdict


@pytest.mark.parametrize("k", [2, 3])
def test_rank_of_noisy_data(tensor, k):
    X, _ = tensor((6, 24, 40), k=k, noise=0.1)
    report = tensor_rank(X, 4, n_init=2, random_state=0)
    assert report.recommended == k
    assert report.prediction_error.argmin() >= k - 1
    assert len(report.singular_values) == 3
    assert f"{k} components (" in str(report)


def test_rank_of_counts(tensor):
    X, _ = tensor((6, 150, 60))
    X = np.random.default_rng(0).poisson(X * 30 / X.sum(axis=-1).mean())
    assert tensor_rank(X, 4, n_init=2, random_state=0).recommended == 3


def test_missing_positions(tensor):
    X, _ = tensor((6, 24, 40), noise=0.05)
    mask = np.random.default_rng(0).random(X.shape[:2]) < 0.1
    report = tensor_rank(
        as_blocks(X, navigation_mask=mask), 4, n_init=2, random_state=0
    )
    assert np.isnan(report.core_consistency).all()
    assert report.votes["core consistency"] is None
    assert report.votes["prediction"] == 3


def test_nothing_is_recommended_without_agreement():
    ranks = np.arange(1, 6)
    votes = {"prediction": 2, "halves": 3, "core consistency": 4}
    assert _verdict(votes, ranks)[0] is None
    assert "No two diagnostics agree" in _verdict(votes, ranks)[1]
    two_of_three = {"prediction": 2, "halves": 2, "core consistency": None}
    assert _verdict(two_of_three, ranks)[0] == 2
    limit, reason = _verdict(dict.fromkeys(votes, 5), ranks)
    assert limit is None and "try larger ones" in reason


def test_thinning_gives_every_count_to_one_fold(tensor):
    from sparsedecomp.decomposition.tensor.compressed_tensor import compress_tensor
    from sparsedecomp.decomposition.tensor.modes import Folding

    X = np.random.default_rng(0).poisson(3.0, (5, 20, 30))
    blocks = as_blocks(X)
    generator = np.random.default_rng(0)
    folding = Folding.of((5, 20))
    data = compress_tensor(blocks, folding, 8, noise="poisson", generator=generator)
    parts = _thinned(data, 1)
    np.testing.assert_allclose(parts.sum(axis=-1), data.scores, rtol=1e-3, atol=1e-3)
    energy = np.square(parts).sum(axis=(0, 1, 2))
    assert energy.max() < 1.5 * energy.min()


def test_a_matrix_is_refused(rng):
    with pytest.raises(ValueError, match="a matrix: its factorisation is not unique"):
        tensor_rank(rng.random((6, 7)))


def test_amino_acid_fluorescence_has_three_components(data_dir):
    s = datasets.load("amino_acids")
    assert tensor_rank(s.data, 4, n_init=4, random_state=0).recommended == 3
    model = CPD(3, random_state=0).fit(s.data)
    pure = [np.linalg.svd(X.astype(float), full_matrices=False) for X in s.data[:3]]
    pure = [
        np.stack([u[:, 0] for u, _, _ in pure], axis=1),
        np.stack([v[0] for _, _, v in pure], axis=1),
    ]
    assert congruence(pure, model.factors_[1:]) >= 0.999
    known = np.asarray(s.metadata.Sample.concentrations)
    correlation = np.corrcoef(model.factors_[0].T, known.T)[:3, 3:]
    assert correlation.max(axis=0).min() >= 0.998
    assert model.core_consistency_ >= 99

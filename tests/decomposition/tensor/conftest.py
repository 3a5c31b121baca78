"""Tensors of known factors."""

import numpy as np
import pytest


@pytest.fixture
def tensor():
    """Return a function that makes a tensor of overlapping peaks, and its factors."""

    def make(shape=(9, 40, 50), k=3, noise=0.0, seed=0, dtype=np.float64):
        rng = np.random.default_rng(seed)
        factors = []
        for n in shape:
            x = np.arange(n)[:, None] / n
            centre = (np.arange(k) + rng.uniform(0.2, 0.8, k)) / k
            factors.append(np.exp(-0.5 * ((x - centre) / 0.15) ** 2) + 0.05)
        letters = "abcdef"[: len(shape)]
        X = np.einsum(",".join(f"{a}z" for a in letters) + "->" + letters, *factors)
        X += noise * np.sqrt(np.mean(X**2)) * rng.standard_normal(shape)
        return X.astype(dtype), factors

    return make

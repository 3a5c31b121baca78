"""The callback of every method receives the same record, with maps and spectra."""

import warnings

import numpy as np
import pytest

from sparsedecomp.decomposition import (
    CPD,
    MCRALS,
    NMFSO,
    NMFSOARD,
    PARAFAC2,
    MinimumVolume,
    PoissonNMF,
    Tucker,
)
from sparsedecomp.decomposition.progress import Progress

MATRIX_METHODS = {
    "nmf_so": lambda: NMFSO(3, n_init=1, max_iter=30),
    "nmf_so_ard": lambda: NMFSOARD(3, n_init=1, max_iter=30),
    "nmf_kl": lambda: PoissonNMF(3, max_iter=30),
    "mcr_als": lambda: MCRALS(3),
    "min_volume": lambda: MinimumVolume(3),
}
TENSOR_METHODS = {
    "cpd": lambda: CPD(3, n_init=2, likelihood=False),
    "cpd likelihood": lambda: CPD(3, n_init=2, likelihood=True),
    "tucker": lambda: Tucker(3, ranks=(3, 3)),
    "tucker nonnegative": lambda: Tucker(3, ranks=(3, 3), nonnegative=True),
    "parafac2": lambda: PARAFAC2(3, n_init=2, max_iter=100),
}


@pytest.fixture(scope="module")
def counts():
    """Counts of three components in a tensor of 10 steps, 20 pixels, 40 channels."""
    rng = np.random.default_rng(0)
    steps, pixels = rng.random((10, 3)) + 0.2, rng.random((20, 3)) ** 2
    channels = np.arange(40)[:, None]
    spectra = np.exp(-0.5 * ((channels - [10, 20, 30]) / 4) ** 2) + 0.05
    return rng.poisson(30 * np.einsum("ak,bk,ck->abc", steps, pixels, spectra))


def records_of(model, X):
    """What the callback received, and the last maps and spectra with the result."""
    received, last = [], []

    def callback(progress):
        received.append(progress)
        last[:] = [(progress.maps(), progress.spectra())]

    model.set_params(random_state=0, callback=callback)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W = model.fit_transform(X)
    return received, last[0], W


@pytest.mark.parametrize("name", [*MATRIX_METHODS, *TENSOR_METHODS])
def test_callback_receives_the_same_record_from_all_methods(counts, name):
    methods = {**MATRIX_METHODS, **TENSOR_METHODS}
    X = counts if name in TENSOR_METHODS else counts.reshape(-1, 40)
    received, (maps, spectra), W = records_of(methods[name](), X)
    assert all(isinstance(progress, Progress) for progress in received)
    iterations = [progress.iteration for progress in received]
    assert iterations == list(range(1, len(received) + 1))
    for progress in received:
        assert np.isfinite(progress.objective) and progress.phase
        assert 0 <= progress.start < max(progress.n_starts, 1)
        assert progress.passes >= 0 and progress.seconds >= 0
    seconds = [progress.seconds for progress in received]
    assert seconds == sorted(seconds)
    if maps is not None:
        assert maps.shape == W.shape and spectra.shape == (W.shape[1], 40)


@pytest.mark.parametrize("name", ["mcr_als", *TENSOR_METHODS])
def test_last_maps_and_spectra_are_those_of_the_result(counts, name):
    methods = {**MATRIX_METHODS, **TENSOR_METHODS}
    X = counts if name in TENSOR_METHODS else counts.reshape(-1, 40)
    model = methods[name]()
    _, (maps, spectra), W = records_of(model, X)
    found = W @ model.components_
    if name == "parafac2":
        # Its spectra differ between the steps; their mean is compared.
        found = W.reshape(10, 20, 3).mean(axis=0) @ model.components_
        maps = maps.reshape(10, 20, 3).mean(axis=0)
    np.testing.assert_allclose(maps @ spectra, found, atol=0.02 * found.max())

"""A number of components that the noise contradicts is called doubtful."""

import warnings

import numpy as np
import pytest

from sparsedecomp.extension.verdict import DoubtfulResultWarning

hs = pytest.importorskip("hyperspy.api")

QUIET = {"print_info": False, "show_progressbar": False, "random_state": 0}


def few_channels(rng, m):
    """Three random spectra of few channels."""
    shares = rng.dirichlet([0.4] * 3, 2000)
    return rng.poisson(shares @ rng.uniform(1, 30, (3, m))).reshape(40, 50, m)


@pytest.mark.parametrize("seed", [71, 72])
@pytest.mark.parametrize("m", [8, 16])
@pytest.mark.parametrize("lazy", [False, True])
def test_noise_that_is_kept_as_components_is_told(seed, m, lazy):
    signal = hs.signals.Signal1D(few_channels(np.random.default_rng(seed), m))
    signal = signal.as_lazy() if lazy else signal
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.decomposition(algorithm="nmf_so_ard", **QUIET)
    told = [w for w in caught if issubclass(w.category, DoubtfulResultWarning)]
    right = signal.learning_results.output_dimension == 3
    assert bool(told) != right
    if told:
        assert "3 rise above the noise" in str(told[0].message)


@pytest.mark.parametrize("algorithm", ["nmf_so_ard", "nmf_kl_ard"])
@pytest.mark.parametrize("seed", [73, 74, 75])
def test_right_numbers_raise_no_doubt(algorithm, seed):
    rng = np.random.default_rng(seed)
    peaks = np.exp(-0.5 * ((np.arange(100) - np.array([[25], [50], [75]])) / 6) ** 2)
    counts = rng.poisson(rng.dirichlet([0.3] * 3, 600) @ (5 + 100 * peaks))
    signal = hs.signals.Signal1D(counts.reshape(20, 30, 100))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulResultWarning)
        signal.decomposition(algorithm=algorithm, **QUIET)
    assert signal.learning_results.output_dimension == 3


def test_a_number_that_was_asked_for_is_not_judged(rng):
    signal = hs.signals.Signal1D(few_channels(rng, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulResultWarning)
        signal.decomposition(False, "nmf_so", 5, **QUIET)
        signal.decomposition(False, "nmf_so_ard", 2, **QUIET)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "n_rays"),
    [("nmf_so_ard", 1), ("nmf_so_ard", 5), ("simplex_ml", 1)],
)
def test_cosmic_rays_are_told(rng, lazy, algorithm, n_rays):
    peaks = np.exp(-0.5 * ((np.arange(100) - np.array([[30], [65]])) / 6) ** 2)
    counts = rng.poisson(rng.dirichlet([0.3] * 2, 600) @ (5 + 100 * peaks))
    counts.flat[rng.choice(counts.size, n_rays, replace=False)] = 60 * counts.max()
    signal = hs.signals.Signal1D(counts.reshape(20, 30, 100))
    signal = signal.as_lazy() if lazy else signal
    with pytest.warns(DoubtfulResultWarning, match=f"{n_rays} single entries"):
        signal.decomposition(algorithm=algorithm, **QUIET)


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_simplex_tells_of_a_drift(rng, drift):
    channel = np.arange(100.0)
    shift = np.linspace(-drift, drift, 600)[:, None]
    a, b = (np.exp(-0.5 * ((channel - shift - at) / 4) ** 2) for at in (35, 65))
    share = np.linspace(0, 1, 30)[None].repeat(20, axis=0).reshape(-1, 1)
    counts = rng.poisson(20 + 300 * (share * a + (1 - share) * b))
    signal = hs.signals.Signal1D(counts.reshape(20, 30, 100))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.decomposition(algorithm="simplex_ml", **QUIET)
    told = [w for w in caught if issubclass(w.category, DoubtfulResultWarning)]
    assert bool(told) == bool(drift)
    if drift:
        assert "The energy axis drifts by" in str(told[0].message)

"""A number of components that the noise contradicts is called doubtful."""

import warnings

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.ndimage import gaussian_filter1d

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import NMFSOARD, SimplexML
from sparsedecomp.decomposition.automatic.verdict import verdict_on_relevance
from sparsedecomp.decomposition.simplex_likelihood.rivals import Rival
from sparsedecomp.extension import algorithms
from sparsedecomp.extension.verdict import DoubtfulResultWarning, judge

hs = pytest.importorskip("hyperspy.api")

QUIET = {"print_info": False, "show_progressbar": False, "random_state": 0}


def few_channels(rng, m):
    """Three random spectra of few channels."""
    shares = rng.dirichlet([0.4] * 3, 2000)
    return rng.poisson(shares @ rng.uniform(1, 30, (3, m))).reshape(40, 50, m)


def doubts_of(signal, algorithm, **options):
    """Messages of `DoubtfulResultWarning` in a decomposition."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.decomposition(algorithm=algorithm, **{**QUIET, **options})
    return [
        str(each.message)
        for each in caught
        if issubclass(each.category, DoubtfulResultWarning)
    ]


@pytest.mark.parametrize("seed", [71, 72])
@pytest.mark.parametrize("m", [8, 16])
@pytest.mark.parametrize("lazy", [False, True])
def test_noise_in_few_channels_is_no_component(seed, m, lazy):
    signal = hs.signals.Signal1D(few_channels(np.random.default_rng(seed), m))
    signal = signal.as_lazy() if lazy else signal
    doubts = doubts_of(signal, "nmf_so_ard")
    results = signal.learning_results
    assert results.output_dimension == 3
    # Few channels do not always exclude a rival, and that is said.
    clear = "nothing in the data contradicts the 3 components."
    assert results.verdict == (doubts[0] if doubts else clear)
    assert not any("above the noise" in each for each in doubts)


def test_relevance_keeps_no_noise_in_few_channels(rng):
    signal = hs.signals.Signal1D(few_channels(rng, 8))
    assert not doubts_of(signal, "nmf_so_ard", orthogonality=6.0)
    assert signal.learning_results.output_dimension == 3


@pytest.mark.parametrize(("k", "words"), [(2, "some are mixtures"), (6, "are noise")])
def test_numbers_that_are_given_have_a_verdict_too(rng, capsys, k, words):
    signal = hs.signals.Signal1D(few_channels(rng, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulResultWarning)
        signal.decomposition(False, "vca", k, **{**QUIET, "print_info": True})
    assert words in signal.learning_results.verdict
    assert f"Verdict: {signal.learning_results.verdict}" in capsys.readouterr().out


def test_a_bound_below_the_number_of_components_is_told(rng):
    signal = hs.signals.Signal1D(few_channels(rng, 16))
    (told,) = doubts_of(signal, "nmf_so_ard", output_dimension=2)
    assert "3 components rise above the noise, but at most 2 were allowed" in told


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


def two_lines(rng, n_rays=0):
    """Counts of two lines in every pixel, with cosmic rays."""
    peaks = np.exp(-0.5 * ((np.arange(100) - np.array([[30], [65]])) / 6) ** 2)
    counts = rng.poisson(rng.dirichlet([0.3] * 2, 600) @ (5 + 100 * peaks))
    rays = np.sort(rng.choice(counts.size, n_rays, replace=False))
    counts.flat[rays] = 60 * counts.max()
    return counts.reshape(20, 30, 100), rays


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("n_rays", [1, 5])
def test_cosmic_rays_are_left_out_and_reported(rng, lazy, n_rays):
    counts, rays = two_lines(rng, n_rays)
    signal = hs.signals.Signal1D(counts.copy())
    signal = signal.as_lazy() if lazy else signal
    assert not doubts_of(signal, "nmf_so_ard")
    results = signal.learning_results
    assert results.output_dimension == 2
    assert f"{n_rays} single entr" in results.verdict
    np.testing.assert_array_equal(results.spikes @ [100, 1], rays)
    np.testing.assert_array_equal(np.asarray(signal.data), counts)


@pytest.mark.parametrize("algorithm", ["nmf_kl_ard", "simplex_ml"])
def test_cosmic_rays_that_are_in_the_fit_are_told(rng, algorithm):
    signal = hs.signals.Signal1D(two_lines(rng, 1)[0])
    (told,) = doubts_of(signal, algorithm)
    assert "1 single entries" in told


def drifting(rng, drift):
    """Counts of two lines that move over the scan."""
    channel = np.arange(100.0)
    shift = np.linspace(-drift, drift, 600)
    a, b = (
        np.exp(-0.5 * ((channel - shift[:, None] - at) / 4) ** 2) for at in (35, 65)
    )
    share = np.linspace(0, 1, 30)[None].repeat(20, axis=0).reshape(-1, 1)
    counts = rng.poisson(20 + 300 * (share * a + (1 - share) * b))
    return counts.reshape(20, 30, 100), shift.reshape(20, 30)


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_simplex_tells_of_a_drift(rng, drift):
    signal = hs.signals.Signal1D(drifting(rng, drift)[0])
    told = doubts_of(signal, "simplex_ml")
    assert bool(told) == bool(drift)
    if drift:
        assert "The energy axis drifts by" in told[0]


@pytest.mark.parametrize("lazy", [False, True])
def test_drift_is_taken_out_and_reported_as_a_map(rng, lazy):
    counts, shift = drifting(rng, 1.0)
    signal = hs.signals.Signal1D(counts.copy())
    signal = signal.as_lazy() if lazy else signal
    assert not doubts_of(signal, "nmf_so_ard")
    results = signal.learning_results
    assert results.output_dimension == 2
    assert "A drift of the energy axis by 1.9 channels" in results.verdict
    assert np.std(results.energy_drift - shift) < 0.1
    np.testing.assert_array_equal(np.asarray(signal.data), counts)
    doubts_of(signal, "nmf_so_ard", energy_drift=False)
    assert not signal.learning_results.energy_drift.any()


@pytest.mark.parametrize("algorithm", ["nmf_so_ard", "nmf_so", "mcr_als"])
def test_counts_that_were_blurred_are_doubtful(rng, algorithm):
    spectra = np.exp(-0.5 * ((np.arange(80) - np.array([[20], [50]])) / 2) ** 2) + 0.02
    counts = rng.poisson(rng.dirichlet([0.3, 0.3], 400) @ (3 * spectra))
    blurred = gaussian_filter1d(counts.astype(float), 0.6, axis=1).reshape(20, 20, 80)
    number = {} if algorithm == "nmf_so_ard" else {"output_dimension": 2}
    signal = hs.signals.Signal1D(blurred)
    doubts_of(signal, algorithm, **number)
    assert "blurred or interpolated" in str(signal.learning_results.verdict)


@pytest.mark.parametrize("kept", [2, 6])
def test_noise_that_a_denoising_kept_is_doubtful(rng, kept):
    lines = np.exp(-0.5 * ((np.arange(80) - np.array([[20], [50]])) / 4) ** 2) + 0.1
    x = np.linspace(0, 1, 400)[:, None]
    data = np.hstack([x, 1 - x]) @ lines + 0.02 * rng.standard_normal((400, 80))
    u, s, v = np.linalg.svd(data, full_matrices=False)
    denoised = (u[:, :kept] * s[:kept]) @ v[:kept]
    signal = hs.signals.Signal1D(denoised.reshape(20, 20, 80))
    told = " ".join(doubts_of(signal, "nmf_so_ard"))
    assert ("4 of them are noise" in told) == (kept == 6)


def structured(rng):
    """Three strong spectra and many weak ones: no number leaves white noise."""
    x = np.linspace(0, 1, 60)
    centres, widths = rng.uniform(0, 1, (300, 1)), rng.uniform(0.02, 0.4, (300, 1))
    weak = rng.dirichlet([0.05] * 300, 400) @ np.exp(-(((x - centres) / widths) ** 2))
    lines = np.exp(-(((x - np.array([[0.2], [0.5], [0.8]])) / 0.15) ** 2))
    mixed = rng.dirichlet([0.3] * 3, 400) @ lines + 0.1 * weak
    noise = 1e-3 * np.abs(np.sin(7 * mixed)) * rng.standard_normal(mixed.shape)
    return (mixed + noise + 0.2).reshape(20, 20, 60)


def test_a_number_without_an_edge_between_signal_and_noise_is_doubtful(rng):
    signal = hs.signals.Signal1D(structured(rng))
    rank = signal.estimate_rank("noise_edge", noise="uniform")
    assert not rank.edge_found and rank.interval[0] < rank.interval[1]
    (told,) = doubts_of(signal, "nmf_so_ard")
    assert "No edge divides signal and noise" in told
    assert signal.learning_results.verdict == told


def test_a_number_that_agrees_says_nothing_of_the_spectra(rng):
    signal = hs.signals.Signal1D(few_channels(rng, 16))
    signal.decomposition(False, "vca", 3, **QUIET)
    assert "whether the spectra are unique was not examined" in (
        signal.learning_results.verdict
    )


@pytest.mark.parametrize("n_components", [None, 3])
def test_rivals_of_the_most_likely_simplex_are_in_its_verdict(rng, n_components):
    blocks = as_blocks(few_channels(rng, 16), 1)
    model = SimplexML(n_components, random_state=0)
    fit = model.fit_transform(blocks), model.components_
    model.rivals_ = []
    choice = algorithms.find("simplex_ml")
    assert str(judge(choice, model, blocks, *fit)).startswith("nothing in the data")
    model.rivals_ = [Rival(model.components_, 12.0, 1.0, 2.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoubtfulResultWarning)
        verdict = judge(choice, model, blocks, *fit)
    assert "do not exclude spectra that differ by 12 degrees" in str(verdict)


@pytest.mark.parametrize(
    "name", ["hydice", pytest.param("urban2", marks=pytest.mark.study)]
)
def test_reflectances_that_are_whole_numbers_are_no_counts_and_doubtful(data_dir, name):
    scene = loadmat(data_dir / f"fusion/airborne_{name}.mat")["data"]
    signal = hs.signals.Signal1D(scene[:32, :32])
    (told,) = doubts_of(signal, "nmf_so_ard")
    assert "No edge divides signal and noise" in told
    assert signal.estimate_rank().noise_model != "poisson"


def three_lines(rng, kind="counts"):
    """A signal of three lines on a background, with noise of a kind."""
    peaks = np.exp(-0.5 * ((np.arange(60) - np.array([[15], [30], [45]])) / 4) ** 2)
    mean = rng.dirichlet([0.3] * 3, 600) @ (5 + 100 * peaks)
    if kind == "counts":
        data = rng.poisson(mean)
    else:
        data = mean + 3 * rng.standard_normal(mean.shape)
    return hs.signals.Signal1D(data.reshape(20, 30, 60))


# Vertices and simplices by name; least squares, counts and probabilities beside them.
OF_GIVEN_NUMBER = ["nmf_so", "min_volume", "simplex_ml", "mcr_als", "vca", "nmf_kl"]


@pytest.mark.parametrize("kind", ["counts", "uniform"])
@pytest.mark.parametrize("algorithm", OF_GIVEN_NUMBER)
def test_residual_of_a_component_that_is_left_out_is_told(rng, algorithm, kind):
    if (algorithm, kind) == ("nmf_kl", "uniform"):
        pytest.skip("a likelihood of counts")
    signal = three_lines(rng, kind)
    for k, told in ((3, False), (2, True)):
        signal.decomposition(False, algorithm, k, **QUIET)
        verdict = signal.learning_results.verdict
        assert ("times the variance of the noise" in verdict) == told
        assert verdict.startswith("doubtful") == told


@pytest.mark.parametrize("algorithm", ["nmf_so_ard", "nmf_kl_ard"])
def test_residual_of_a_bound_that_is_too_small_is_told(rng, algorithm):
    (told,) = doubts_of(three_lines(rng), algorithm, output_dimension=2)
    assert "times the variance of the noise" in told


def test_tensor_decompositions_warn_of_their_residual(rng):
    a, b, c = rng.random((12, 2)), rng.random((10, 2)), 3 * rng.random((40, 2))
    maps = (a[:, None] * b[None]).reshape(-1, 2)
    counts = rng.poisson(30 * maps @ c.T).reshape(12, 10, 40)
    signal = hs.signals.Signal1D(counts)
    for algorithm in ("cpd", "tucker"):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is one mode")
            assert not doubts_of(signal, algorithm, output_dimension=2)
            (told,) = doubts_of(signal, algorithm, output_dimension=1)
        assert "times the variance of the noise" in told
        assert signal.learning_results.verdict == ""


def test_counts_that_scatter_more_than_their_likelihood_says_are_told(rng):
    peaks = np.exp(-0.5 * ((np.arange(80) - np.array([[20], [60]])) / 4) ** 2)
    mean = 1e3 * rng.dirichlet([0.3] * 2, 600) @ (5 + 100 * peaks)
    data = np.round(mean + np.sqrt(2 * mean) * rng.standard_normal(mean.shape))
    signal = hs.signals.Signal1D(data.reshape(20, 30, 80))
    signal.decomposition(False, "nmf_kl", 2, **QUIET)
    assert "The fit leaves 1.9" in signal.learning_results.verdict
    signal.decomposition(False, "nmf_so", 2, **QUIET)
    assert "The fit leaves" not in signal.learning_results.verdict


def test_weighted_data_are_judged_by_the_noise_that_they_have(rng):
    signal = three_lines(rng)
    signal.change_dtype("float")
    for noise in ("auto", "uniform"):
        signal.decomposition(True, "nmf_so", 3, noise=noise, **QUIET)
        assert "The fit leaves" not in signal.learning_results.verdict


def test_noise_that_was_declared_wrong_is_told(rng):
    # Some channels are fifty times as bright as the others.
    spectra = rng.uniform(1, 5, (2, 60)) * np.where(np.arange(60) < 52, 1, 50)
    counts = rng.poisson(rng.dirichlet([0.3] * 2, 600) @ spectra)
    signal = hs.signals.Signal1D(counts.reshape(20, 30, 60))
    signal.decomposition(False, "nmf_so", 2, noise="uniform", **QUIET)
    assert "The fit leaves" in signal.learning_results.verdict


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (20, "20 components are the most that are looked for"),
        (9, "9 components were kept, but 3"),
        (2, "2 components were kept, but 3"),
    ],
)
def test_the_cap_and_a_disagreement_of_the_ranks_are_told(rng, kept, words):
    X = few_channels(rng, 40)
    blocks = as_blocks(X, 1)
    U, squares, V = np.linalg.svd(X.reshape(-1, 40), full_matrices=False)
    model = NMFSOARD()
    model.n_components_, model.components_ = kept, V[:kept]
    model.interrupted_ = False
    verdict = verdict_on_relevance(model, U[:, :kept] * squares[:kept], blocks)
    assert words in str(verdict) and verdict.doubtful
    left_out = "times the variance of the noise" in str(verdict)
    assert left_out == (kept < 3)

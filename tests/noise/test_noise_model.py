"""One noise model: what it finds, and that all methods count the same components."""

import warnings

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import (
    MCRALS,
    NMFSOARD,
    VCA,
    MinimumVolume,
    PoissonNMFARD,
    estimate_rank,
)
from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import (
    _number_of_components,
)
from sparsedecomp.decomposition.tensor.rank_diagnostics import tensor_rank
from sparsedecomp.noise import count_gain, find_noise
from sparsedecomp.noise.binned_spectrum import effective_pixels
from sparsedecomp.superresolution.factors import factors_of


def mean_of(n, m, generator, vacuum=False, dose=30.0):
    """Mixtures of three phases, in half of the pixels if the others are vacuum."""
    centres = np.array([[0.2], [0.5], [0.8]]) * m
    spectra = np.exp(-0.5 * ((np.arange(m) - centres) / (0.1 * m)) ** 2) + 0.05
    mean = dose * generator.dirichlet(np.full(3, 0.3), n) @ spectra
    if vacuum:
        mean[: n // 2] *= 1e-2
    return mean


def scene(name):
    """Data with three components, and the kind of their noise."""
    generator = np.random.default_rng(5)
    sizes = {
        "8 channels": (900, 8),
        "16 channels": (900, 16),
        "10 pixels": (10, 200),
        "30 pixels": (30, 200),
    }
    mean = mean_of(*sizes.get(name, (900, 100)), generator, vacuum=name == "vacuum")
    white = generator.normal(0, 1, mean.shape)
    if name == "uniform":
        return mean + 10 + white, "uniform"
    if name == "estimated":
        return mean + 10 + np.linspace(0.3, 3, mean.shape[1]) * white, "estimated"
    return generator.poisson(mean), "poisson"


SCENES = (
    "counts",
    "uniform",
    "estimated",
    "8 channels",
    "16 channels",
    "10 pixels",
    "30 pixels",
    "vacuum",
)


@pytest.mark.parametrize("name", SCENES)
def test_all_methods_count_the_same_components(name):
    X, kind = scene(name)
    blocks = as_blocks(X.astype(float))
    assert find_noise(blocks).kind == kind
    options = {"n_init": 1, "max_iter": 20, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counted = {
            "estimate_rank": estimate_rank(blocks).n_components,
            "noise_edge": estimate_rank(blocks, "noise_edge").n_components,
            "robust_pca": estimate_rank(blocks, "robpca").n_components,
            "NMFSOARD": NMFSOARD(**options).fit(blocks).n_components_,
            "VCA": VCA(random_state=0).fit(blocks).n_components_,
            "MinimumVolume": MinimumVolume(random_state=0).fit(blocks).n_components_,
            "MCRALS": MCRALS(max_iter=1).fit(blocks).n_components_,
            "SimplexML": _number_of_components(
                blocks, "auto", np.random.default_rng(0)
            ),
            "factors": factors_of(X[None, None]).maps.shape[-1],
        }
        if kind == "poisson":
            model = PoissonNMFARD(**options).fit(blocks)
            counted["PoissonNMFARD"] = model.n_components_
    assert set(counted.values()) == {3}, counted


@pytest.mark.parametrize("kind", ["counts", "uniform"])
def test_the_rank_of_a_tensor_is_that_of_its_matrix(rng, kind):
    a, b, c = (rng.gamma(0.5, 1, (size, 3)) for size in (20, 15, 40))
    mean = 30 * np.einsum("ir,jr,kr->ijk", a, b, c)
    noise = rng.normal(size=mean.shape)
    X = rng.poisson(mean).astype(float) if kind == "counts" else mean + noise
    found = tensor_rank(X, 5, n_init=3, nonnegative=kind == "counts", random_state=0)
    assert found.recommended == estimate_rank(as_blocks(X)).n_components == 3


def test_pixels_of_unequal_noise_have_the_edge_of_fewer():
    assert effective_pixels(np.ones(50)) == 50
    assert effective_pixels(np.repeat([1.0, 0.0], [30, 20])) == 30
    assert effective_pixels(np.repeat([1.0, 0.5], [30, 30])) == 54
    assert effective_pixels(np.zeros(5)) == 0


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_nearly_empty_pixels_add_no_component(part):
    for seed in range(5):
        generator = np.random.default_rng(seed)
        mean = mean_of(900, 100, generator)
        mean[: int(900 * part)] *= 1e-3
        blocks = as_blocks(generator.poisson(mean))
        for method in ("noise_edge", "bootstrap"):
            found = estimate_rank(blocks, method, noise="poisson")
            assert found.n_components == found.interval[0] == 3


def test_empty_pixels_do_not_change_the_gain(rng):
    counts = rng.poisson(mean_of(900, 100, rng))
    counts[:500] = 0
    noise = find_noise(as_blocks(counts))
    assert noise.gain == 1 and noise.n_components == 3


def test_the_noise_is_found_once():
    X, _ = scene("counts")
    blocks = as_blocks(X)
    noise = find_noise(blocks)
    passes = blocks.passes
    assert find_noise(blocks) is noise and blocks.passes == passes == 2
    assert noise == "poisson" and noise.gain == 1 and str(noise) == "poisson"
    assert "counts with the noise of Poisson, gain 1" in repr(noise)


def test_gain_of_counts_is_found(rng):
    mean = mean_of(900, 100, rng, dose=300)
    assert count_gain(as_blocks(rng.poisson(mean))) == 1
    noisy = np.round(mean + np.sqrt(4 * mean) * rng.normal(size=mean.shape))
    assert count_gain(as_blocks(np.maximum(noisy, 0))) == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("m", [40, 100])
def test_gain_of_counts_is_found_in_few_channels(rng, m):
    mean = mean_of(900, m, rng, dose=300)
    noisy = np.round(mean + np.sqrt(2 * mean) * rng.normal(size=mean.shape))
    noise = find_noise(as_blocks(np.maximum(noisy, 0)))
    assert noise.gain == pytest.approx(2, rel=0.1) and noise.n_components == 3


@pytest.mark.parametrize(("gain", "offset"), [(1, 100), (3, 500), (0.5, 30)])
def test_counts_with_an_offset_are_recognised(rng, gain, offset):
    mean = mean_of(900, 100, rng, dose=300)
    noise = find_noise(as_blocks(gain * rng.poisson(mean) + offset))
    assert noise == "estimated" and noise.n_components == 3
    line = noise.offset_counts
    assert line.gain == pytest.approx(gain, rel=0.1)
    assert -line.intercept / line.gain == pytest.approx(offset, rel=0.1)
    assert f"counts of gain {line.gain:.3g} with an offset" in repr(noise)


def test_counts_with_readout_noise_are_recognised(rng):
    mean = mean_of(900, 100, rng, dose=900) * np.geomspace(0.02, 2, 100)
    noise = find_noise(as_blocks(rng.poisson(mean) + 10 * rng.normal(size=mean.shape)))
    assert noise.offset_counts.gain == pytest.approx(1, rel=0.1)
    assert noise.offset_counts.intercept == pytest.approx(100, rel=0.3)
    assert "with readout noise of" in repr(noise)


@pytest.mark.parametrize("kind", ["proportional", "uneven", "uniform"])
def test_other_noise_is_not_that_of_counts_with_an_offset(rng, kind):
    mean = mean_of(900, 100, rng, dose=300)
    sigma = {
        "proportional": 0.05 * mean,
        "uneven": np.linspace(1, 8, 100),
        "uniform": 5,
    }[kind]
    noise = find_noise(as_blocks(mean + sigma * rng.normal(size=mean.shape)))
    assert not noise.counts and noise.offset_counts is None


def test_whole_numbers_without_the_noise_of_counts_are_no_counts(rng):
    mean = mean_of(900, 100, rng)
    image = np.round(100 * (mean + 10 + 0.3 * rng.normal(size=mean.shape)))
    assert count_gain(as_blocks(image.astype(np.uint16))) == 0
    assert count_gain(as_blocks(image + 0.5)) == 0


def test_real_reflectances_are_no_counts_and_have_few_components():
    cube = np.asarray(datasets.load("samson").data)
    for data in (cube, np.round(1e4 * cube / cube.max())):
        blocks = as_blocks(data)
        noise = find_noise(blocks)
        assert noise.kind != "poisson" and noise.structured
        assert 3 <= estimate_rank(blocks).n_components <= 10
        with pytest.warns(UserWarning, match="elbow"):
            assert VCA(random_state=0).fit(blocks).n_components_ <= 10

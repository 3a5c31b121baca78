"""The number of components: known ones, pure noise, what cannot be seen."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import estimate_rank
from sparsedecomp.decomposition.rank import METHODS
from sparsedecomp.noise import above_noise, find_noise, noise_limit
from sparsedecomp.noise.binned_spectrum import bins_of_counts
from sparsedecomp.noise.edge import noise_probability
from sparsedecomp.noise.scree import gavish_donoho, minka, parallel_analysis


def mean_of(k=3, n=900, n_channels=120, seed=0):
    """Mixtures of ``k`` peaks on a background."""
    rng = np.random.default_rng(seed)
    centres = np.linspace(15, n_channels - 15, k)[:, None]
    spectra = np.exp(-0.5 * ((np.arange(n_channels) - centres) / 5) ** 2) + 0.1
    return rng.dirichlet(np.full(k, 0.5), n) @ spectra


def doses(name, data_dir, dose, seed):
    with np.load(data_dir / "unmixing" / f"{name}_truth.npz") as file:
        (maps,) = (file[key] for key in file.files if key.startswith("maps"))
        mean = maps.reshape(6400, -1) @ file["spectra"].T
    return np.random.default_rng(seed).poisson(mean * (dose / mean.sum(axis=1).mean()))


def test_edge_of_noise_is_where_noise_ends(rng):
    draws = rng.normal(size=(200, 300, 40))
    largest = np.linalg.norm(draws, 2, axis=(1, 2)) ** 2
    assert np.mean(largest > noise_limit(300, 40, 0.5)) == pytest.approx(0.5, abs=0.12)
    assert np.mean(largest > noise_limit(300, 40, 0.1)) == pytest.approx(0.1, abs=0.06)
    for p in (0.5, 0.01):
        limit = noise_limit(300, 40, p)
        assert noise_probability(limit, 300, 40) == pytest.approx(p, rel=1e-6)


def test_rules_on_a_known_scree(rng):
    X = rng.normal(size=(2000, 60))
    X[:, :3] += np.outer(rng.normal(size=2000), [3, 0, 0])
    X[:, 1] *= 2
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    count, variance, edges = above_noise(squares, 0.0, 2000, 60)
    assert count == 2 and edges.shape == (60,)
    np.testing.assert_allclose(variance, 1, rtol=0.05)
    assert gavish_donoho(squares, 2000, 60, 1.0) == 2
    assert parallel_analysis(squares, 0.0, 2000, 60, rng) == 2
    assert minka(squares, 0.0, 2000, 60) == 2
    left = squares[20:].sum()
    fewer = above_noise(squares[:20], left, 2000, 60)
    assert fewer[:2] == (count, pytest.approx(variance))
    assert above_noise(squares, 0.0, 2000, 60, variance=100.0)[0] == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, float])
def test_counts(dtype):
    X = np.random.default_rng(1).poisson(20 * mean_of()).astype(dtype)
    found = estimate_rank(X)
    assert (found.n_components, found.method) == (3, "bootstrap")
    assert found.noise_model == "poisson" and found.passes in (2, 3)
    assert found.interval[0] <= 3 <= found.interval[1]
    assert found.noise_variance == pytest.approx(1, abs=0.15)
    assert found.probability[2] < 1e-4 < found.probability[3]
    assert list(found.table)[0] == "bootstrap"


@pytest.mark.parametrize("noise", ["even", "channels", "pixels"])
def test_noise_of_every_kind(rng, noise):
    sigma = {
        "even": 0.05,
        "channels": np.linspace(0.01, 0.15, 120),
        "pixels": np.linspace(0.01, 0.15, 900)[:, None],
    }[noise]
    found = estimate_rank(mean_of() + sigma * rng.normal(size=(900, 120)))
    assert (found.n_components, found.method) == (3, "noise_edge")
    assert found.noise_model == ("uniform" if noise == "even" else "estimated")
    assert found.passes in ((5, 6) if noise == "pixels" else (3,))


@pytest.mark.parametrize("k", [1, 2, 6])
def test_without_noise_every_rule_of_the_edge_is_exact(k):
    for dtype in (np.float64, np.float32):
        assert estimate_rank(mean_of(k).astype(dtype)).n_components == k


def test_noise_alone_holds_nothing_and_counts_alone_one(rng):
    assert estimate_rank(rng.normal(size=(1000, 80))).n_components == 0
    assert estimate_rank(rng.normal(3, 1, (1000, 80))).n_components == 1
    assert estimate_rank(rng.poisson(2, (1000, 80))).n_components == 1
    found = estimate_rank(rng.normal(size=(1000, 80)))
    assert found.detectability == 1.0 and found.interval[0] == 0


def test_simulated_measurements():
    edx = datasets.edx_particles(shape=(40, 40), counts=200)
    assert estimate_rank(edx.data).n_components == 3
    eels = datasets.eels_oxide_interface(shape=(40, 40), n_channels=512, dose=5e3)
    assert estimate_rank(eels.data).n_components == 3


@pytest.mark.parametrize(
    ("name", "dose", "seen"),
    [
        ("phantom_edx", 5, {3}),
        ("phantom_edx", 112, {3, 4}),
        ("phantom_edx", 2000, {4}),
        ("phantom_lattice", 5, {3, 4}),
        ("phantom_lattice", 112, {4}),
    ],
)
def test_phantoms_up_to_what_can_be_seen(data_dir, name, dose, seen):
    found = estimate_rank(doses(name, data_dir, dose, seed=5))
    assert found.n_components in seen


def test_noise_cut_off_at_zero_is_left_to_relevance(mn3o4):
    found = estimate_rank(mn3o4.noisy)
    assert (found.n_components, found.method) == (2, "ard")
    assert "cut off at zero" in found.reason


@pytest.mark.parametrize("name", ["sim1", "sim2"])
@pytest.mark.parametrize("decibels", [np.inf, 40, 30])
def test_published_scenes(data_dir, rng, name, decibels):
    with np.load(data_dir / "unmixing" / f"{name}_clean.npz") as file:
        X = file["cube"].astype(float)
    sigma = np.sqrt(np.mean(X**2) / 10 ** (decibels / 10))
    assert estimate_rank(X + sigma * rng.normal(size=X.shape)).n_components == 6


def test_all_methods_agree_on_an_easy_case():
    X = np.random.default_rng(1).poisson(200 * mean_of(n=2000))
    found = estimate_rank(X, "all")
    assert tuple(found.table) == METHODS
    assert set(found.table.values()) == {3}
    for name in METHODS:
        assert estimate_rank(X, name).n_components == 3
    several = estimate_rank(X, ["minka", "noise_edge"])
    assert several.method == "minka" and list(several.table) == ["minka", "noise_edge"]
    assert several.interval == (3, 3) and several.reason == "asked for"


def test_detectability_is_where_components_drown(rng):
    n, m = 800, 100
    u, v = rng.normal(size=n), rng.normal(size=m)
    weak = np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v))
    strong = 500 * np.outer(np.full(n, n**-0.5), np.full(m, m**-0.5))
    limit = np.sqrt(estimate_rank(strong + rng.normal(size=(n, m))).detectability)
    for factor, expected in ((0.7, 1), (1.8, 2)):
        X = strong + factor * limit * 500 * weak + rng.normal(size=(n, m))
        assert estimate_rank(X, noise="uniform").n_components == expected


def test_known_variance():
    X = mean_of() + 0.05 * np.random.default_rng(0).normal(size=(900, 120))
    found = estimate_rank(X, noise="uniform", noise_variance=0.05**2)
    assert found.n_components == 3 and found.noise_variance == 0.05**2
    loud = estimate_rank(X, noise="uniform", noise_variance=10.0)
    assert loud.n_components == 0
    wide = estimate_rank(X, noise="uniform", noise_variance=0.05**2, n_bins=40)
    assert wide.n_components == 3 and wide.shape == (900, 40)


def test_lazy_sparse_and_eager_agree():
    X = np.random.default_rng(1).poisson(5 * mean_of()).astype(np.uint16)
    eager = estimate_rank(X)
    blocks = as_blocks(da.from_array(X.reshape(30, 30, 120), chunks=(7, 30, 120)))
    lazy = estimate_rank(blocks)
    assert lazy.passes == blocks.passes <= 3
    sparse = estimate_rank(scipy.sparse.csr_array(X))
    for other in (lazy, sparse):
        assert other.table == eager.table and other.interval == eager.interval
        np.testing.assert_allclose(
            other.singular_values, eager.singular_values, rtol=1e-5
        )
    assert str(lazy) == str(estimate_rank(X))


def test_units_of_counts_do_not_matter():
    X = np.random.default_rng(1).poisson(5 * mean_of()).astype(float)
    one = estimate_rank(X)
    for unit in (1e6, 3.7e-9):
        other = estimate_rank(unit * X)
        assert other.noise_model == "poisson" and other.table == one.table
        np.testing.assert_allclose(other.singular_values, one.singular_values)


def test_masks_leave_out_pixels_and_channels(rng):
    X = rng.poisson(20 * mean_of()).reshape(30, 30, 120)
    spoilt = np.zeros((30, 30), bool)
    spoilt[3, 5:25] = True
    X[spoilt] = rng.poisson(50, (20, 120)) * (rng.random((20, 120)) < 0.5)
    channels = np.arange(120) < 4
    X[..., channels] = rng.integers(0, 200, (30, 30, 4))
    assert estimate_rank(X).n_components > 3
    found = estimate_rank(X, navigation_mask=spoilt, signal_mask=channels)
    assert found.n_components == 3


def test_bins_hold_enough_counts():
    columns = np.array([1000, 1000, 1000, 5000, 10, 10, 10, 3000, 100.0])
    starts = bins_of_counts(columns, 1500)
    sums = np.add.reduceat(columns, starts)
    assert starts[0] == 0 and np.all(np.diff(starts) > 0)
    assert sums.sum() == columns.sum() and sums.min() >= 1500
    assert bins_of_counts(np.ones(9), 1500).tolist() == [0]
    counts = as_blocks(np.random.default_rng(0).poisson(1, (500, 400)))
    spectrum = find_noise(counts, n_bins=50).spectrum
    assert len(spectrum.starts) <= 50 and spectrum.shape[0] == 500


def test_odd_data(rng):
    X = rng.poisson(20 * mean_of())
    X = np.vstack([X, np.zeros((30, 120), int)])
    X = np.hstack([X, np.zeros((len(X), 15), int)])
    assert estimate_rank(X).n_components == 3
    # The noise of pixels that are there twice is not independent.
    twice = estimate_rank(np.vstack([X, X[:100]]))
    assert 3 <= twice.n_components <= 6
    assert estimate_rank(np.ones((20, 6))).n_components == 1
    assert estimate_rank(rng.poisson(0.01, (50, 20))).n_components in (0, 1)
    assert estimate_rank(rng.poisson(5, (300, 1))).n_components == 1
    assert estimate_rank(rng.random((3, 500))).n_components <= 3


def test_readable():
    text = str(estimate_rank(np.random.default_rng(1).poisson(20 * mean_of())))
    assert text.startswith("3 components (3 to ") and "the data are counts" in text
    for word in ("bootstrap", "minka", "probability of noise", "cannot be seen"):
        assert word in text


def test_bad_input_is_refused(rng):
    X = rng.normal(size=(30, 20))
    with pytest.raises(ValueError, match="method='elbow' was given, expected 'auto'"):
        estimate_rank(X, "elbow")
    with pytest.raises(ValueError, match="noise='pink' was given"):
        estimate_rank(X, noise="pink")
    with pytest.raises(ValueError, match="draws counts, but the noise is uniform"):
        estimate_rank(X, "bootstrap")
    with pytest.raises(ValueError, match="Use noise='uniform' with it"):
        estimate_rank(X, noise_variance=1.0)
    with pytest.raises(ValueError, match="n_bins = 0 was given"):
        estimate_rank(X, n_bins=0)
    with pytest.raises(ValueError, match="needs counts, but the data are negative"):
        estimate_rank(X, noise="poisson")
    with pytest.raises(ValueError, match="1 pixel, expected at least 2"):
        estimate_rank(X[:1])
    with pytest.raises(ValueError, match="zero everywhere"):
        estimate_rank(np.zeros((4, 5)))
    X[17, 3] = np.nan
    with pytest.raises(ValueError, match=r"first at pixel \(17\), channel 3"):
        estimate_rank(X)

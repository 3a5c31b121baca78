"""The most likely simplex: right where vertices are decided, doubtful where not."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from scipy.ndimage import gaussian_filter
from sklearn.base import clone

from benchmarks.trust_scenes import make_scene
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import SimplexML
from sparsedecomp.metrics import abundance_rmse, match_components


def edges(rng, k, m=256):
    """Core-loss edges on power laws, of unit sum."""
    e = np.linspace(400, 760, m)
    at = np.linspace(440, 700, k) + rng.uniform(-8, 8, k)
    spectra = [
        rng.uniform(2.4, 3.2) * (e / 400) ** -3
        + 0.5 / (1 + np.exp((p - e) / 2)) * (e / p) ** -3
        + 1 / (1 + ((e - p - 3) / 4) ** 2)
        for p in at
    ]
    return np.array([s / s.sum() for s in spectra])


def smooth_maps(rng, k, shape=(40, 40), contrast=2.2):
    """Shares that vary smoothly and add up to one."""
    fields = [gaussian_filter(rng.normal(size=shape), 3, mode="wrap") for _ in range(k)]
    shares = np.exp([contrast * each / each.std() for each in fields])
    return (shares / shares.sum(axis=0)).reshape(k, -1).T


def largest_angle(spectra, model):
    return match_components(spectra, model.components_)[2].max()


@pytest.mark.parametrize(("k", "seed"), [(3, 61), (6, 62)])
def test_edges_on_a_shared_background(seed, k):
    rng = np.random.default_rng(seed)
    spectra, shares = edges(rng, k), smooth_maps(rng, k)
    counts = rng.poisson(1e5 * shares @ spectra).astype(np.float32)
    model = SimplexML(k, random_state=0)
    W = model.fit_transform(counts)
    assert largest_angle(spectra, model) < 1.5
    _, order, _ = match_components(spectra, model.components_)
    found = W[:, order] / W.sum(axis=1, keepdims=True)
    assert abundance_rmse(shares, found) < 0.03


@pytest.mark.parametrize("seed", [63, 64])
def test_a_phase_of_four_pixels_is_not_mixed_into_its_neighbour(seed):
    rng = np.random.default_rng(seed)
    spectra = edges(rng, 3)
    maps = np.zeros((40, 40, 3))
    maps[:, :16, 0] = maps[:, 16:, 1] = 1
    maps[20:22, 30:32] = [0, 0, 1]
    counts = rng.poisson(60000 * maps.reshape(-1, 3) @ spectra).astype(float)
    model = SimplexML(random_state=0).fit(counts)
    assert model.n_components_ == 3
    assert largest_angle(spectra, model) < 3


@pytest.mark.parametrize("seed", [66, 67])
def test_no_pixel_is_pure(seed):
    rng = np.random.default_rng(seed)
    spectra = rng.uniform(0.1, 1, (4, 60)) + 5 * np.eye(4, 60)
    shares = rng.dirichlet([0.4] * 4, 6000)
    shares = shares[shares.max(axis=1) < 0.8]
    noise = 0.01 * rng.standard_normal((len(shares), 60))
    model = SimplexML(4, noise="uniform", random_state=0).fit(shares @ spectra + noise)
    assert largest_angle(spectra, model) < 2


@pytest.mark.parametrize("m", [8, 16])
def test_few_channels(m):
    rng = np.random.default_rng(m)
    spectra = rng.uniform(1, 30, (3, m))
    counts = rng.poisson(rng.dirichlet([0.4] * 3, 2000) @ spectra).astype(float)
    model = SimplexML(random_state=0).fit(counts)
    assert model.n_components_ == 3
    assert largest_angle(spectra, model) < 4


def test_lazy_sparse_and_masked_data_agree(rng):
    spectra, shares = edges(rng, 3, 64), smooth_maps(rng, 3, (24, 20))
    cube = rng.poisson(4000 * shares @ spectra).reshape(24, 20, 64).astype(np.float32)
    mask = np.zeros((24, 20), bool)
    mask[3:6, 4:9] = True
    fits = [
        SimplexML(3, random_state=0).fit(as_blocks(data, navigation_mask=mask))
        for data in (cube, da.from_array(cube, (7, 20, 30)))
    ]
    plain = cube.reshape(-1, 64)[~mask.ravel()]
    fits.append(SimplexML(3, random_state=0).fit(scipy.sparse.csr_array(plain)))
    for other in fits[1:]:
        assert match_components(fits[0].components_, other.components_)[2].max() < 0.05
    assert fits[0].transform(plain).shape == (len(plain), 3)


def test_vacuum_and_thickness_do_not_matter(rng):
    spectra, shares = edges(rng, 3, 128), smooth_maps(rng, 3)
    dose = 50000 * rng.uniform(0.3, 2, (1600, 1))
    dose[:300] = 0.2
    counts = rng.poisson(dose * shares @ spectra).astype(float)
    assert largest_angle(spectra, SimplexML(3, random_state=0).fit(counts)) < 2


def test_two_similar_phases_do_not_collapse_into_one():
    # Spectra 13 degrees apart, of 300 counts: a triangle without width would be likely
    # if its density were not left out.
    scene = make_scene("vacuum", 1)
    model = SimplexML(3, random_state=0).fit(scene.cube.reshape(-1, 256))
    assert match_components(scene.spectra, model.components_)[2].max() < 4


def test_noisy_abundances_do_not_mix_the_spectra():
    # Less than one count in a channel: the counting error of these spectra, were the
    # maps known, is 2.3 degrees; a fit to abundances of single pixels has five.
    scene = make_scene("low counts", 0)
    model = SimplexML(3, random_state=0).fit(scene.cube.reshape(-1, 256))
    assert match_components(scene.spectra, model.components_)[2].max() < 4


def test_one_component_and_cloning(rng):
    model = clone(SimplexML(1, random_state=0))
    model.fit(rng.poisson(np.outer(rng.uniform(5, 9, 200), edges(rng, 1)[0] * 256)))
    assert model.n_components_ == 1 and model.is_unique_


def test_the_callback_stops_the_search(rng):
    spectra, shares = edges(rng, 3, 64), smooth_maps(rng, 3, (20, 20))
    counts = rng.poisson(9000 * shares @ spectra)
    seen = []
    model = SimplexML(3, random_state=0, callback=lambda p: seen.append(p) or True)
    model.fit(counts)
    assert len(seen) == model.n_iter_ == 1
    assert largest_angle(spectra, model) < 10


def test_nothing_to_decompose_is_refused():
    with pytest.raises(ValueError, match="zero everywhere"):
        SimplexML(2).fit(np.zeros((20, 40)))


def test_trial_steps_to_singular_simplices_are_refused(rng, monkeypatch):
    from sparsedecomp.decomposition.simplex_likelihood import face_mixture

    minimize, refused = face_mixture.minimize, []

    def with_far_trial(function, start, **options):
        refused.append(function(1e9 * start))
        return minimize(function, start, **options)

    monkeypatch.setattr(face_mixture, "minimize", with_far_trial)
    counts = rng.poisson(1e4 * smooth_maps(rng, 3, (20, 20)) @ edges(rng, 3, 64))
    model = SimplexML(3, random_state=0).fit(counts)
    assert all(value > 1e5 and not slope.any() for value, slope in refused)
    assert refused and np.isfinite(model.log_likelihood_)

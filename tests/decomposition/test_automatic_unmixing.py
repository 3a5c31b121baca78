"""The default unmixing: right where data decide, doubtful where they do not."""

import warnings

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.utils import estimator_checks

from benchmarks.trust_scenes import make_scene
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import (
    AutomaticUnmixing,
    DoubtfulResultWarning,
    estimate_rank,
)
from sparsedecomp.decomposition.automatic.plural_scattering import (
    find_plural_scattering,
)
from sparsedecomp.metrics import match_components


@estimator_checks.parametrize_with_checks([AutomaticUnmixing()])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_conventions_of_scikit_learn(estimator, check):
    check(estimator)


def lines(rng, shape=(20, 30), m=100, k=3, dose=100):
    """Counts of one line for each phase on a flat background, and the spectra."""
    at = np.linspace(20, m - 20, k)[:, None]
    spectra = 2 + dose * np.exp(-0.5 * ((np.arange(m) - at) / 5) ** 2)
    shares = rng.dirichlet([0.3] * k, int(np.prod(shape)))
    return rng.poisson(shares @ spectra).reshape(*shape, m).astype(float), spectra


def fitted(data, **parameters):
    """A fit whose doubts are no warnings, and its abundances."""
    model = AutomaticUnmixing(**{"random_state": 0, **parameters})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoubtfulResultWarning)
        W = model.fit_transform(as_blocks(data))
    return model, W


def largest_angle(spectra, model):
    return match_components(spectra, model.components_)[2].max()


def test_attributes_fit_together(rng):
    cube, spectra = lines(rng)
    model, W = fitted(cube)
    X = cube.reshape(-1, 100)
    assert model.n_components_ == 3 and not model.verdict_.doubtful
    assert largest_angle(spectra, model) < 2
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1)
    residual = np.linalg.norm(X - W @ model.components_)
    assert model.residual_norm_ == pytest.approx(residual)
    assert model.relative_residual_ == pytest.approx(residual / np.linalg.norm(X))
    # The variance of counts is their mean.
    assert model.noise_variance_ == pytest.approx(X.mean(), rel=0.05)
    assert model.noise_model_ == "poisson" and not model.clipped_
    assert model.relevance_.shape == (3,) and np.all(model.relevance_ > 1)
    assert np.all(np.diff(model.objective_history_) <= 0)
    assert model.objective_ == pytest.approx(model.objective_history_[-1])
    assert not model.energy_drift_.any() and model.spikes_.shape == (0, 2)
    np.testing.assert_allclose(model.transform(X), W, atol=1e-6 * W.max())
    assert clone(model).energy_drift == "auto"


def test_same_answer_without_a_seed_and_from_lazy_data(rng):
    cube, _ = lines(rng)
    first, _ = fitted(cube, random_state=None)
    again, _ = fitted(cube, random_state=None)
    np.testing.assert_array_equal(first.components_, again.components_)
    lazy, _ = fitted(da.from_array(cube, chunks=(7, 11, 100)), random_state=None)
    np.testing.assert_allclose(lazy.components_, first.components_, atol=1e-4)


def test_spikes_are_left_out_of_the_fit(rng):
    cube, spectra = lines(rng)
    cube[3, 4, 60] = cube[12, 20, 10] = 80 * cube.max()
    before = cube.copy()
    model, _ = fitted(cube)
    assert model.n_components_ == 3 and largest_angle(spectra, model) < 2
    assert model.spikes_.tolist() == [[3 * 30 + 4, 60], [12 * 30 + 20, 10]]
    assert "2 single entries" in str(model.verdict_)
    assert not model.verdict_.doubtful
    np.testing.assert_array_equal(cube, before)


def drifting(rng, drift):
    """Counts of two lines that move over the scan, and the shift of every pixel."""
    channel, shift = np.arange(100.0), np.linspace(-drift, drift, 600)
    a, b = (
        np.exp(-0.5 * ((channel - shift[:, None] - at) / 4) ** 2) for at in (35, 65)
    )
    share = np.linspace(0, 1, 30)[None].repeat(20, axis=0).reshape(-1, 1)
    counts = rng.poisson(20 + 300 * (share * a + (1 - share) * b))
    return counts.reshape(20, 30, 100), shift


@pytest.mark.parametrize("choice", ["auto", False])
def test_drift_is_modelled_or_not(rng, choice):
    counts, shift = drifting(rng, 1.0)
    model, _ = fitted(counts, energy_drift=choice)
    if choice == "auto":
        assert model.n_components_ == 2
        assert np.std(model.energy_drift_ - shift) < 0.1
    else:
        assert model.n_components_ > 2 and not model.energy_drift_.any()


def test_drift_that_is_not_beyond_doubt_is_modelled_when_asked_for(rng):
    counts, shift = drifting(rng, 0.02)
    auto, _ = fitted(counts)
    asked, _ = fitted(counts, energy_drift=True)
    assert not auto.energy_drift_.any()
    assert np.std(asked.energy_drift_ - shift) < 0.6 * np.std(shift)


def test_bound_below_the_number_is_told(rng):
    model = AutomaticUnmixing(2, random_state=0)
    with pytest.warns(DoubtfulResultWarning, match="but at most 2 were allowed"):
        model.fit(as_blocks(lines(rng)[0]))
    assert model.n_components_ == 2


def test_even_noise_is_not_taken_for_uneven():
    scene = make_scene("XANES", 0)
    model, _ = fitted(scene.cube)
    assert model.n_components_ == 4 and model.noise_model_ == "uniform"
    assert largest_angle(scene.spectra, model) < 1


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "counts"])
def test_noise_alone_is_read_a_few_times_and_not_iterated_on(rng, kind):
    shape = (40, 50, 80)
    noise = {
        "uniform": lambda: rng.random(shape),
        "gaussian": lambda: rng.standard_normal(shape),
        "counts": lambda: rng.poisson(2.0, shape),
    }[kind]()
    model, _ = fitted(noise.astype(np.float32))
    assert model.n_components_ == 1
    assert model.n_iter_ <= 5 and model.passes_ <= 16


def test_negative_noise_is_accepted(rng):
    cube, spectra = lines(rng)
    model, _ = fitted(cube + rng.normal(0, 3, cube.shape) - 2)
    assert model.n_components_ == 3
    assert largest_angle(spectra - 2, model) < 3


def test_scaled_data_give_the_answer_of_the_data(rng):
    cube, _ = lines(rng)
    plain = as_blocks(cube)
    model, W = fitted(cube)
    scaled = AutomaticUnmixing(random_state=0)
    blocks = plain.poisson_scaled()
    V = scaled.fit_transform(blocks)
    S = scaled.components_ * blocks.column_scale
    norm = np.linalg.norm(S, axis=1)
    np.testing.assert_allclose(S / norm[:, None], model.components_, atol=1e-6)
    np.testing.assert_allclose(
        V * blocks.row_scale[:, None] * norm, W, atol=1e-4 * W.max()
    )


@pytest.mark.parametrize(
    "parameters", [{"orthogonality": 6.0}, {"updates": "published", "max_iter": 30}]
)
@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_relevance_decides_where_it_is_asked_for(rng, parameters):
    model, _ = fitted(lines(rng, k=2)[0], **parameters)
    # One entry for each iteration, not for each of at most four starts.
    assert len(model.objective_history_) > 4
    assert model.verdict_.n_components == model.n_components_
    assert not model.energy_drift_.any()


def thick_specimen(rng, thickness):
    """Counts of three edges convolved with the plural losses of each pixel."""
    energy = np.linspace(400, 760, 200)
    spectra = np.array(
        [
            (energy / 400) ** -3 + 1 / (1 + ((energy - at) / 6) ** 2)
            for at in (460, 560, 650)
        ]
    )
    shape = (30, 30)
    fields = [gaussian_filter(rng.normal(size=shape), 3, mode="wrap") for _ in range(3)]
    shares = np.exp([3 * each / each.std() for each in fields]).reshape(3, -1)
    shares = (shares / shares.sum(axis=0)).T
    t = np.linspace(*thickness, 30)[None].repeat(30, axis=0).reshape(-1, 1)
    loss = np.arange(200) * 1.8
    losses = loss * np.exp(-loss / 12)
    response = np.fft.rfft(losses / losses.sum(), 400)
    expected = np.fft.irfft(
        np.fft.rfft(shares @ spectra, 400) * np.exp(t * response), 400
    )[:, :200]
    return rng.poisson(400 * np.maximum(expected, 0)).reshape(*shape, 200)


@pytest.mark.parametrize("thick", [True, False])
def test_plural_scattering_is_found_where_thickness_varies(rng, thick):
    blocks = as_blocks(thick_specimen(rng, (0.2, 1.2) if thick else (0.5, 0.5)))
    rank = estimate_rank(blocks).interval[0]
    found = find_plural_scattering(blocks, rank)
    assert (rank > 3) == thick
    assert found.n_components == 3 if thick else found is None


@pytest.mark.parametrize("seed", [1, 3])
def test_phases_are_counted_where_plural_scattering_adds_four(seed):
    blocks = as_blocks(make_scene("thickness", seed).cube)
    assert estimate_rank(blocks).interval[0] == 7
    assert find_plural_scattering(blocks, 7).n_components == 3


@pytest.mark.parametrize(
    ("kind", "doubtful"), [("particles, 1000 counts", True), ("vacuum", False)]
)
def test_support_in_every_pixel_is_told(kind, doubtful):
    scene = make_scene(kind, 2)
    model, _ = fitted(scene.cube)
    assert model.n_components_ == 3
    assert model.verdict_.doubtful == doubtful
    assert ("a support lies under everything" in str(model.verdict_)) == doubtful
    assert np.isnan(model.verdict_.rival_angle) != doubtful

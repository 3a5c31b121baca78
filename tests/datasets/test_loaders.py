"""Readers of the published files: on small files of the same form, and on the files."""

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.datasets import loaders
from sparsedecomp.datasets.registry import DATASETS

LAZY = pytest.mark.parametrize("lazy", [False, True])


@pytest.fixture
def published(data_dir, monkeypatch):
    """Loads published data; the test is skipped where the file is not there."""
    monkeypatch.setenv("SPARSEDECOMP_DATA_DIR", str(data_dir))

    def load(name, lazy=False):
        file = data_dir / DATASETS[name].file
        if not file.is_file():
            pytest.skip(f"{file} is not there")
        return datasets.load(name, lazy=lazy)

    return load


def factors(rng, k, n_channels, shape=(4, 5)):
    return rng.random((*shape, k)), rng.random((n_channels, k))


@LAZY
def test_mn3o4_is_calibrated_by_the_energies_in_the_file(tmp_path, rng, lazy):
    cube, energy = rng.random((3, 4, 6)), np.linspace(10, 20, 6)
    np.savez(tmp_path / "file.npz", X=cube, ev=energy)
    signal = loaders.mn3o4(tmp_path / "file.npz", lazy)
    assert signal._lazy is lazy
    np.testing.assert_array_equal(np.asarray(signal.data), cube)
    axis = signal.axes_manager[-1]
    np.testing.assert_allclose(axis.axis, energy)
    assert axis.units == "eV"
    # exspy keeps them in a set; their order changes from run to run.
    assert sorted(signal.metadata.Sample.elements) == ["Mn", "O"]


@LAZY
def test_mineral_mixtures_carry_their_truth(tmp_path, rng, lazy):
    maps, spectra = factors(rng, 6, 9)
    cube = maps @ spectra.T
    np.savez(tmp_path / "sim.npz", cube=cube, endmembers=spectra, abundances=maps)
    signal = loaders.minerals(tmp_path / "sim.npz", lazy)
    np.testing.assert_allclose(datasets.truth(signal).expected(), cube)
    assert signal._lazy is lazy


def test_samson_names_its_endmembers(tmp_path, rng):
    maps, spectra = factors(rng, 3, 156)
    names = np.array(["soil", "tree", "water"])
    np.savez(
        tmp_path / "samson.npz",
        cube=rng.random((4, 5, 156)),
        endmembers=spectra,
        abundances=maps,
        names=names,
    )
    signal = loaders.samson(tmp_path / "samson.npz", False)
    assert datasets.truth(signal).names == ("soil", "tree", "water")
    axis = signal.axes_manager[-1]
    assert (axis.axis[0], axis.units) == (401, "nm")
    assert axis.axis[-1] == pytest.approx(889)


@LAZY
def test_phantom_draws_counts_from_its_maps_and_spectra(tmp_path, rng, lazy):
    maps, spectra = factors(rng, 4, 8, shape=(6, 7))
    energy = np.linspace(1, 2, 8)
    np.savez(
        tmp_path / "phantom.npz",
        maps_counts_at_mean=100 * maps,
        spectra=spectra,
        energy_keV=energy,
    )
    signal = loaders.phantom(tmp_path / "phantom.npz", lazy)
    truth = datasets.truth(signal)
    np.testing.assert_allclose(truth.expected(), 100 * maps @ spectra.T)
    np.testing.assert_array_equal(
        np.asarray(signal.data), datasets.noisy_cube(truth, dtype="uint16")
    )
    assert signal._lazy is lazy


def test_espm_particles_carry_expected_counts(tmp_path, rng):
    maps, spectra = factors(rng, 3, 12)
    densities = np.array([0.6, 1.0, 0.9])
    np.savez(
        tmp_path / "espm.npz",
        counts=rng.poisson(3, (4, 5, 12)).astype("uint8"),
        phases=spectra.T,
        weights=maps,
        densities=densities,
        N=np.int64(500),
        seed=np.int64(91),
    )
    signal = loaders.edx_particles_espm(tmp_path / "espm.npz", False)
    expected = 500 * (maps * densities) @ spectra.T
    np.testing.assert_allclose(datasets.truth(signal).expected(), expected)
    assert signal.axes_manager[-1].units == "keV"


@LAZY
@pytest.mark.parametrize("name", DATASETS)
def test_published_data_load(published, name, lazy):
    signal = published(name, lazy)
    assert signal._lazy is lazy
    last = signal.axes_manager[-1]
    assert last.units or name.startswith("sim")
    if "EELS" in signal.metadata.Signal.signal_type:
        assert last.units == "eV"
    if signal.metadata.Signal.signal_type == "EDS_TEM":
        assert last.units == "keV"


def test_mn3o4_is_the_clean_cube_with_noise_cut_at_zero(published):
    noisy, clean = published("mn3o4").data, published("mn3o4_clean").data
    assert noisy.min() == 0
    # Where the signal is strong nothing was cut.
    strong = clean > 5 * 4.97e-6
    assert (noisy - clean)[strong].std() == pytest.approx(4.97e-6, rel=0.02)
    assert np.linalg.matrix_rank(clean.reshape(-1, 138), tol=1e-9) == 2


def test_espm_particles_are_poisson_counts_of_their_truth(published):
    signal = published("edx_particles_espm")
    expected = datasets.truth(signal).expected()
    chi2 = (signal.data - expected) ** 2 / np.maximum(expected, 1e-12)
    bright = expected > 0.5
    assert chi2[bright].mean() == pytest.approx(1, abs=0.02)
    assert signal.data.sum() == pytest.approx(expected.sum(), rel=0.002)


def test_lines_of_the_espm_particles_are_where_their_elements_have_them(published):
    truth = datasets.truth(published("edx_particles_espm"))
    vanadium, ytterbium, lanthanum = 4.952, 7.415, 4.651
    lines = [vanadium, ytterbium, lanthanum]
    for spectrum, line in zip(truth.spectra, lines, strict=True):
        near = np.abs(truth.energy - line) < 0.1
        peak = truth.energy[near][spectrum[near].argmax()]
        assert peak == pytest.approx(line, abs=0.012)


@pytest.mark.parametrize("name", ["sim1", "sim2"])
def test_mineral_mixtures_are_exact(published, name):
    signal = published(name)
    truth = datasets.truth(signal)
    np.testing.assert_allclose(truth.expected(), signal.data, atol=1e-6)


def test_mantle_lamella_keeps_its_published_metadata(published):
    signal = published("edx_mantle_lamella")
    assert signal.data.shape == (80, 80, 1917)
    assert signal.data.dtype == np.uint8
    assert signal.metadata.Sample.elements == sorted(signal.metadata.Sample.elements)
    assert "Nd" in signal.metadata.Sample.elements
    with pytest.raises(ValueError, match="carries no ground truth"):
        datasets.truth(signal)

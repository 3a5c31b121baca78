"""Shifts of energy: recovered to a fraction of a step, and taken away."""

import numpy as np
import pytest

from sparsedecomp.xas import shifted, shifts_to

ENERGY = np.arange(8950.0, 9030.0, 0.5)
LIMITS = (8962.0, 9012.0)


def edge(e0, height=1.0):
    x = ENERGY - np.asarray(e0)[..., None]
    return height * (np.arctan(x / 1.5) + 0.4 * np.exp(-(((x - 8) / 4) ** 2)))


def test_shifts_are_found_whatever_height_and_background():
    wanted = np.array([[0.0, 0.13, -0.4], [2.37, -4.2, 4.9]])
    mu = 2.5 * edge(8980 + wanted) + 1.3 - 2e-3 * (ENERGY - 9000)
    found = shifts_to(ENERGY, mu, edge(8980.0), LIMITS)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_noise_leaves_a_small_part_of_a_step(rng):
    mu = edge(8980.3) + rng.normal(0, 0.01, (200, len(ENERGY)))
    found = shifts_to(ENERGY, mu, edge(8980.0), LIMITS)
    assert found.mean() == pytest.approx(0.3, abs=0.01)
    assert found.std() < 0.05


def test_aligned_spectra_coincide_with_the_reference():
    mu = edge(8980 + np.array([-1.3, 0.25, 2.0]))
    shifts = shifts_to(ENERGY, mu, edge(8980.0), LIMITS)
    inside = (ENERGY > 8956) & (ENERGY < 9024)
    aligned = shifted(ENERGY, mu, shifts)
    np.testing.assert_allclose(
        aligned[:, inside], np.tile(edge(8980.0)[inside], (3, 1)), atol=5e-3
    )


def test_pixels_that_cannot_be_aligned_are_nan():
    mu = edge(8980 + np.array([0.5, 0.0, 20.0]))
    mu[1, 10] = np.nan
    found = shifts_to(ENERGY, mu, edge(8980.0), LIMITS, max_shift=3)
    np.testing.assert_array_equal(np.isnan(found), [False, True, True])
    assert np.isnan(shifted(ENERGY, mu, found)[1:]).all()


def test_measured_drift_of_a_monochromator_is_that_of_the_authors(data_dir):
    """Ten scans with a nickel foil measured along; Athena's shifts are in the file."""
    from rsciio_sparse.athena import file_reader

    records = {
        record["metadata"]["General"]["title"]: record
        for record in file_reader(data_dir / "xas/NiO.prj")
    }
    foils = [records[f"  Ref NiO.{n:03}"] for n in (1, 2, 3, 4, 6, 7, 8, 9, 10)]
    energy = foils[0]["axes"][0]["axis"]
    mu = np.array([foil["data"] for foil in foils])
    athena = np.array([f["original_metadata"]["Athena"]["energy_shift"] for f in foils])
    found = shifts_to(energy, mu, mu[0], (8310, 8370))
    # Athena adds its shifts; between its scans it was set by hand to some 0.05 eV.
    np.testing.assert_allclose(found, athena[0] - athena, atol=0.12)


def test_a_shift_is_taken_away_by_a_spline():
    energy = np.sort(np.random.default_rng(0).uniform(0, 10, 60))
    energy[[0, -1]] = 0, 10
    cubic = energy**3 - energy
    inside = (energy > 1) & (energy < 9)
    moved = shifted(energy, np.stack([cubic, 2 * cubic]), [0.7, -0.4])
    for row, (factor, shift) in zip(moved, [(1, 0.7), (2, -0.4)], strict=True):
        wanted = factor * ((energy + shift) ** 3 - (energy + shift))
        np.testing.assert_allclose(row[inside], wanted[inside], rtol=1e-8)
    assert shifted(energy, cubic.astype(np.float32), 0.1).dtype == np.float32


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="Only 0 energies lie between 1 and 2 eV"):
        shifts_to(ENERGY, edge(8980.0), edge(8980.0), (1, 2))
    with pytest.raises(ValueError, match="one spectrum of finite numbers"):
        shifts_to(ENERGY, edge(8980.0), edge(8980.0) * np.nan, LIMITS)
    with pytest.raises(ValueError, match=r"reference has shape \(3,\)"):
        shifts_to(ENERGY, edge(8980.0), np.ones(3), LIMITS)

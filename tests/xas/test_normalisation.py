"""Edge steps and normalised spectra: exact cases, larch's numbers, bad ranges."""

import numpy as np
import pytest

from sparsedecomp.xas import Normalisation

ENERGY = np.arange(8780.0, 9600.0, 2.0)
X = ENERGY - 8980.0
ABOVE = X >= 0

# larch 2026.3.1, pre_edge: E0 and edge step.
LARCH = {
    "cu_10k.xmu": (8977.58, 2.2987522766566535),
    "XDI/fe2o3_rt.xdi": (7126.0, 0.26316017835213934),
    "XDI/co_metal_rt.xdi": (7709.0, 3.9563434265111312),
}


@pytest.mark.parametrize("name", LARCH)
def test_edge_steps_equal_larch(data_dir, name):
    energy, mu = np.loadtxt(data_dir / "xas" / name, comments="#")[:, :2].T
    e0, step = LARCH[name]
    assert Normalisation(energy, e0).edge_step(mu) == pytest.approx(step, rel=1e-10)


def test_polynomials_within_the_model_are_removed_exactly():
    line, curve = 3 - 2e-4 * X, 1.4 - 3e-4 * X + 1e-7 * X**2
    mu = line + np.where(ABOVE, curve, 0)
    normalisation = Normalisation(ENERGY, 8980.0)
    assert normalisation.edge_step(mu) == pytest.approx(1.4)
    np.testing.assert_allclose(normalisation.pre_edge(mu), line, atol=1e-9)
    np.testing.assert_allclose(normalisation.post_edge(mu), line + curve, atol=1e-9)
    norm = normalisation.normalise(mu)
    np.testing.assert_allclose(norm, np.where(ABOVE, curve / 1.4, 0), atol=1e-9)
    flat = normalisation.normalise(mu, flatten=True)
    np.testing.assert_allclose(flat, ABOVE.astype(float), atol=1e-9)


def test_many_pixels_at_once_are_the_same_as_each_alone(rng):
    mu = rng.random((3, 4, 1)) * (ABOVE + 0.5) + rng.random((3, 4, 1)) * X / 1e3
    normalisation = Normalisation(ENERGY, 8980.0)
    steps, norm = normalisation.edge_step(mu), normalisation.normalise(mu, True)
    assert steps.shape == (3, 4) and norm.shape == mu.shape
    for place in np.ndindex(3, 4):
        assert steps[place] == pytest.approx(normalisation.edge_step(mu[place]))
        alone = normalisation.normalise(mu[place], True)
        np.testing.assert_allclose(norm[place], alone, atol=1e-12)


def test_amount_of_absorber_does_not_matter_and_is_kept_by_a_common_step(rng):
    mu = ABOVE * (1 + 0.1 * np.sin(X / 30))
    amounts = np.array([[1.0], [3.0]])
    normalisation = Normalisation(ENERGY, 8980.0)
    norm = normalisation.normalise(amounts * mu)
    np.testing.assert_allclose(norm[0], norm[1], atol=1e-12)
    kept = normalisation.normalise(amounts * mu, edge_step=1.0)
    np.testing.assert_allclose(kept[1], 3 * kept[0], atol=1e-12)


def test_no_edge_gives_nan():
    normalisation = Normalisation(ENERGY, 8980.0)
    mu = np.stack([ABOVE * 1.0, -1.0 * ABOVE, np.full(len(ENERGY), 0.3), 0 * ENERGY])
    norm = normalisation.normalise(mu)
    assert np.isfinite(norm[0]).all() and np.isnan(norm[1:]).all()
    np.testing.assert_array_equal(normalisation.edge_step(mu[2:]), 0)


def test_types_are_kept():
    normalisation = Normalisation(ENERGY, 8980.0)
    assert normalisation.normalise(ABOVE.astype(np.float32)).dtype == np.float32
    assert normalisation.normalise(10 * ABOVE).dtype == np.float64


@pytest.mark.parametrize(
    ("end", "degree"), [(9600, 2), (9200, 1), (9000, 0)], ids=["long", "short", "XANES"]
)
def test_degree_falls_with_the_range(end, degree):
    energy = np.arange(8780.0, end, 2.0)
    assert Normalisation(energy, 8980.0).nnorm == degree


def test_one_end_of_a_range_can_be_given():
    normalisation = Normalisation(ENERGY, 8980.0, pre1=-150, norm2=400.0, npre=1)
    assert (normalisation.pre1, normalisation.pre2) == (-150.0, -75.0)
    assert (normalisation.norm1, normalisation.norm2) == (25.0, 400.0)
    swapped = Normalisation(ENERGY, 8980.0, pre1=-30, pre2=-150)
    assert (swapped.pre1, swapped.pre2) == (-150, -30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pre1": -21, "pre2": -19},
            r"pre-edge range of -21 to -19 eV.*holds 1 point, too",
        ),
        ({"pre1": -500, "pre2": -300}, "holds 0 points.*npre=0"),
        ({"norm1": 100, "norm2": 103}, "post-edge range.*a lower degree"),
        ({"e0": 8000.0}, "e0=8000 eV lies outside the energies, 8780 to"),
        ({"e0": 9598.0}, "lies outside"),
    ],
)
def test_ranges_with_too_few_points_are_refused(options, message):
    options = {"nnorm": 2, **options}
    with pytest.raises(ValueError, match=message):
        Normalisation(ENERGY, options.pop("e0", 8980.0), **options)


def test_constant_serves_where_there_is_one_point_before_the_edge():
    energy = np.concatenate([[8950.0, 8970.0], np.arange(8981.0, 9300.0)])
    with pytest.raises(ValueError, match="holds 1 point"):
        Normalisation(energy, 8980.0, pre1=-40, pre2=-10)
    mu = 0.3 + (energy > 8980)
    short = Normalisation(energy, 8980.0, pre1=-40, pre2=-10, npre=0)
    assert short.edge_step(mu) == pytest.approx(1)

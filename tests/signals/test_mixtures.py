"""Linear combinations of signals: names, maps, lazy images, what is refused."""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
import pytest

from sparsedecomp.signals import XASSpectrum

ENERGY = np.concatenate([np.arange(6900, 7090, 10.0), np.arange(7090, 7400, 2.0)])
SHAPES = {"metal": (7112, 0.1), "ferrous": (7119, 0.6), "ferric": (7124, 0.9)}


def mu(e0, height, slope=1e-4):
    rise = np.arctan((ENERGY - e0) / 2) / np.pi + 0.5
    peak = height * np.exp(-(((ENERGY - e0 - 6) / 5) ** 2))
    return 1 - slope * (ENERGY - 7112) + 0.8 * (rise + peak)


def spectrum(values, title=""):
    i0 = np.ones(len(ENERGY))
    s = XASSpectrum.from_counts(i0, np.exp(-values), energy=ENERGY)
    s.metadata.General.title = title
    s.set_edge("Fe", "K")
    return s


@pytest.fixture(scope="module")
def references():
    return {name: spectrum(mu(*shape), name) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def image():
    """Image of 6 x 5 pixels of varying thickness, and its fractions."""
    rng = np.random.default_rng(0)
    w = rng.dirichlet(np.ones(3), (5, 6))
    pure = np.array([mu(*shape, slope=0) for shape in SHAPES.values()])
    thick = rng.uniform(0.5, 2, (5, 6, 1))
    s = spectrum(thick * (w @ pure) + rng.normal(0, 1e-3, (5, 6, len(ENERGY))))
    s.axes_manager[0].name, s.axes_manager[0].scale = "x", 0.5
    return s, w


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("max_shift", [0.0, 1.0])
def test_fractions_of_an_image(references, image, lazy, max_shift):
    s, w = image
    before = s.data.copy()
    s = s.as_lazy() if lazy else s
    result = s.linear_combination(references, max_shift=max_shift)
    oxide = result.fraction("ferric")
    assert oxide._lazy == lazy and oxide.axes_manager.shape == (6, 5)
    assert oxide.axes_manager[0].scale == 0.5 and oxide.axes_manager[0].name == "x"
    found = np.asarray(result.fractions)
    np.testing.assert_allclose(found, w, atol=0.02)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-9)
    assert np.all(np.asarray(result.errors) > 0)
    assert np.max(np.asarray(result.r_factor.data)) < 1e-4
    model, residual = result.model(), result.residual()
    assert type(model).__name__ == ("LazyXASSpectrum" if lazy else "XASSpectrum")
    total = np.asarray(model.data) + np.asarray(residual.data)
    fitted = np.asarray(s.normalize().data)[..., result.fit.inside]
    np.testing.assert_allclose(total, fitted, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(s.data), before)
    if lazy:
        assert "metal, ferrous" in str(result)
        assert "R factor" in str(result.compute())
        assert not result.fraction("metal")._lazy


def test_a_single_spectrum_has_numbers(references):
    s = spectrum(0.25 * mu(*SHAPES["metal"]) + 0.75 * mu(*SHAPES["ferric"]))
    result = s.linear_combination(list(references.values()), quantity="flat")
    assert result.names == tuple(SHAPES)
    assert result.fraction("ferric") == pytest.approx(0.75, abs=0.01)
    assert isinstance(result.error("metal"), float)
    assert isinstance(result.shift, float) and isinstance(result.shift_error, float)
    assert isinstance(result.reduced_chi2, float)
    assert "ferric 0.7" in str(result)


@pytest.mark.parametrize("quantity", ["norm", "flat", "mu", "derivative"])
def test_every_quantity_can_be_fitted(references, quantity):
    values = 0.4 * mu(*SHAPES["ferrous"]) + 0.6 * mu(*SHAPES["ferric"])
    result = spectrum(values).linear_combination(references, quantity=quantity)
    assert result.fraction("ferric") == pytest.approx(0.6, abs=0.02)


def test_normalised_spectra_are_taken_as_they_are(references):
    normal = {name: s.normalize() for name, s in references.items()}
    sample = normal["metal"] * 0.3 + normal["ferric"] * 0.7
    result = sample.linear_combination(normal)
    assert result.fraction("ferric") == pytest.approx(0.7, abs=1e-6)


def test_references_are_chosen_by_their_evidence(references, image):
    s, _ = image
    library = {**references, "other": spectrum(mu(7116, 0.3), "other")}
    result = s.linear_combination(library, max_references=3)
    assert result.names == tuple(SHAPES)
    assert result.ranking[0].probability > 0.9
    assert "log evidence" in str(result)
    lazy = s.as_lazy().linear_combination(library, max_references=3)
    assert lazy.names == result.names


def test_maps_and_spectra_are_drawn(references, image):
    s, _ = image
    result = s.linear_combination(references)
    assert [ax.get_title() for ax in result.plot()] == list(SHAPES)
    (ax,) = result.plot(pixel=(1, 2))
    assert ax.get_legend() is not None
    (ax,) = references["metal"].linear_combination(references).plot()
    assert ax.has_data()
    plt.close("all")


def test_a_large_stack_stays_lazy(references):
    import dask.array as da

    pure = mu(*SHAPES["ferrous"])
    cube = da.broadcast_to(pure, (512, 512, len(ENERGY)), chunks=(64, 64, len(ENERGY)))
    s = hs.signals.Signal1D(cube).as_lazy()
    s.axes_manager[-1].convert_to_non_uniform_axis()
    s.axes_manager[-1].axis = ENERGY
    s.axes_manager[-1].units = "eV"
    s.set_signal_type("XAS")
    s.metadata.set_item("XAS.e0", 7119.0)
    result = s.linear_combination(references)
    oxide = result.fraction("ferrous")
    assert oxide._lazy and oxide.axes_manager.shape == (512, 512)
    corner = np.asarray(result.fractions[:2, :3].compute())
    np.testing.assert_allclose(corner[..., 1], 1, atol=0.01)


def test_bad_references_are_refused(references):
    s = references["metal"]
    with pytest.raises(ValueError, match="quantity='x': choose one of norm, flat"):
        s.linear_combination(references, quantity="x")
    with pytest.raises(ValueError, match="references is a signal"):
        s.linear_combination(references["metal"])
    with pytest.raises(ValueError, match="plain is a Signal1D, expected a signal of"):
        s.linear_combination({"plain": hs.signals.Signal1D(s.data)})
    with pytest.raises(ValueError, match="a reference is one spectrum, such as the"):
        s.linear_combination({"image": spectrum(np.ones((2, 1)) * s.data)})
    copper = s.deepcopy()
    copper.metadata.Acquisition_instrument.XAS.Element.symbol = "Cu"
    with pytest.raises(ValueError, match="copper is a spectrum of Cu, but the signal"):
        s.linear_combination({"copper": copper})
    with pytest.raises(ValueError, match="linearly dependent; a and b"):
        s.linear_combination({"a": s, "b": s})
    with pytest.raises(ValueError, match="There is no reference 'x'; there are: metal"):
        s.linear_combination(references).fraction("x")
    with pytest.raises(ValueError, match="There are no references"):
        s.linear_combination([])


def test_similar_references_are_said(references):
    other = spectrum(mu(7112.02, 0.1), "metal")
    with pytest.warns(UserWarning, match="The references are similar"):
        references["metal"].linear_combination([references["metal"], other])


def test_measured_mixture_is_explained_by_itself(data_dir):
    folder = data_dir / "xas/repeats"
    names = ("MnO_rt", "Mn2O3_rt", "Mn3O4_rt", "MnO2_rt")
    library = {name: hs.load(folder / f"{name}_01.xdi") for name in names}
    result = hs.load(folder / "Mn3O4_rt_02.xdi").linear_combination(library)
    assert result.fraction("Mn3O4_rt") > 0.95 and result.r_factor < 1e-4


@pytest.mark.parametrize("lazy", [False, True])
def test_target_transform_of_an_image(references, image, lazy):
    s, _ = image
    data = s.data.copy()
    data[0, 0] = np.nan
    s = s._deepcopy_with_new_data(data)
    s = s.as_lazy() if lazy else s
    noisy = {
        name: spectrum(
            reference.data + np.random.default_rng(3).normal(0, 1e-3, len(ENERGY))
        )
        for name, reference in references.items()
    }
    library = {**noisy, "other": spectrum(mu(7105, 1.0))}
    result = s.target_transform(library, n_components=3)
    assert result.names == [*SHAPES, "other"] and result.n_components == 3
    chi2 = {name: test.reduced_chi2 for name, test in result.tests.items()}
    assert chi2["other"] > 100 * max(chi2[name] for name in SHAPES)
    assert "IND" in str(result) and "other" in str(result)


def test_a_single_spectrum_is_no_series(references):
    with pytest.raises(ValueError, match="1 spectra and products"):
        references["metal"].target_transform(references)

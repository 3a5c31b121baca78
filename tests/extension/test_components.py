"""Components as signals with metadata, up to their quantification with exspy."""

import hyperspy.api as hs
import numpy as np
import pytest


@pytest.mark.parametrize("lazy", [False, True])
def test_spectra_keep_class_axes_and_metadata(small_signal, decompose, lazy):
    s = small_signal.as_lazy() if lazy else small_signal
    s.metadata.set_item("Sample.elements", ["Fe", "O"])
    s.metadata.set_item("Signal.Noise_properties.variance", s.deepcopy())
    results = decompose(s, output_dimension=3)
    spectra = s.get_component_spectra("stored")
    assert type(spectra) is hs.signals.Signal1D
    np.testing.assert_array_equal(spectra.data, results.factors.T)
    assert spectra.metadata.Sample.elements == ["Fe", "O"]
    # A value for every pixel of the map means nothing for its components.
    assert not spectra.metadata.has_item("Signal.Noise_properties")
    assert s.metadata.has_item("Signal.Noise_properties.variance")
    assert spectra.metadata.General.title == "Component spectra of small"
    assert spectra.axes_manager[0].name == "Component"
    axis, expected = spectra.axes_manager[-1], s.axes_manager[-1]
    for name in ("name", "units", "scale", "offset", "size"):
        assert getattr(axis, name) == getattr(expected, name)


@pytest.mark.parametrize("lazy", [False, True])
def test_maps_are_calibrated_images(small_signal, decompose, lazy):
    s = small_signal.as_lazy() if lazy else small_signal
    results = decompose(s, output_dimension=3)
    maps = s.get_component_maps()
    assert type(maps) is hs.signals.Signal2D
    np.testing.assert_array_equal(maps.data, results.loadings.T.reshape(3, 9, 7))
    assert [a.units for a in maps.axes_manager.signal_axes] == ["nm", "nm"]
    assert [a.name for a in maps.axes_manager.signal_axes] == ["x", "y"]


def test_axes_with_uneven_steps_are_kept(signal, decompose):
    energy = np.geomspace(100, 900, 30)
    s = hs.signals.Signal1D(
        signal.data, axes=[{"size": 6}, {"size": 8}, {"axis": energy, "units": "eV"}]
    )
    decompose(s)
    axis = s.get_component_spectra().axes_manager[-1]
    np.testing.assert_array_equal(axis.axis, energy)
    assert axis.units == "eV"


def test_a_single_component_keeps_its_axis(signal, decompose):
    decompose(signal, output_dimension=1)
    assert signal.get_component_spectra().data.shape == (1, 30)
    assert signal.get_component_maps().data.shape == (1, 6, 8)


def test_total_scale_shares_the_data_among_components(signal, decompose, masks):
    decompose(signal, max_iter=500)
    model = np.asarray(signal.get_decomposition_model().data)
    spectra = signal.get_component_spectra("total").data
    maps = signal.get_component_maps("total").data
    np.testing.assert_allclose(spectra.sum(0), model.sum((0, 1)))
    np.testing.assert_allclose(maps.sum(0), model.sum(-1))
    # Masked pixels contribute nothing, and spoil nothing.
    decompose(signal, navigation_mask=masks[0].T)
    assert np.isfinite(signal.get_component_spectra("total").data).all()


def test_spectra_are_in_the_units_of_the_data_by_default(signal, decompose):
    decompose(signal)
    spectra = signal.get_component_spectra().data
    np.testing.assert_array_equal(spectra, signal.get_component_spectra("total").data)
    np.testing.assert_allclose(
        spectra.sum(axis=0), signal.data.sum(axis=(0, 1)), rtol=0.05
    )


def test_signed_components_have_no_total(signal):
    signal.decomposition(output_dimension=2, print_info=False)
    np.testing.assert_array_equal(
        signal.get_component_spectra().data, signal.learning_results.factors.T
    )


def test_images_as_components(rng, decompose):
    s = hs.signals.Signal2D(rng.random((12, 5, 4)))
    decompose(s, output_dimension=2)
    spectra = s.get_component_spectra()
    assert type(spectra) is hs.signals.Signal2D
    assert spectra.data.shape == (2, 5, 4)
    maps = s.get_component_maps()
    assert type(maps) is hs.signals.Signal1D
    assert maps.data.shape == (2, 12)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_misuse(signal, decompose):
    with pytest.raises(RuntimeError, match="call `s.decomposition` first"):
        signal.get_component_spectra()
    decompose(signal, max_iter=3)
    with pytest.raises(RuntimeError, match="call `s.blind_source_separation` first"):
        signal.get_component_maps(source="bss")
    with pytest.raises(ValueError, match="`scale` must be one of 'stored', 'total'"):
        signal.get_component_maps("sum")
    with pytest.raises(ValueError, match="`source` must be one of 'decomposition'"):
        signal.get_component_spectra(source="pca")


@pytest.mark.parametrize("lazy", [False, True])
def test_components_of_an_eds_map_can_be_quantified(rng, lazy):
    """An alloy of 30 % Fe and 70 % Pt on copper: its component has that composition."""
    exspy = pytest.importorskip("exspy")
    alloy = exspy.data.EDS_TEM_FePt_nanoparticles().isig[5.0:11.0]
    energy = alloy.axes_manager[-1].axis
    iron, copper, platinum = np.exp(
        -0.5 * ((energy - [[6.404], [8.046], [9.442]]) / 0.06) ** 2
    )
    kfactors = {"Fe": 1.45, "Pt": 5.08}
    phases = [30 / kfactors["Fe"] * iron + 70 / kfactors["Pt"] * platinum, copper]
    cube = rng.dirichlet([0.2, 0.2], 48) @ phases + 1e-9
    s = exspy.signals.EDSTEMSpectrum(
        cube.reshape(6, 8, -1),
        axes=[{"size": 6}, {"size": 8}, *alloy.axes_manager._get_signal_axes_dicts()],
        metadata=alloy.metadata.as_dictionary(),
    )
    s.metadata.Acquisition_instrument.TEM.beam_energy = 80.0
    s = s.as_lazy() if lazy else s
    s.decomposition(
        False,
        algorithm="nmf_so",
        output_dimension=2,
        navigation_mask=None,
        orthogonality=0.0,
        random_state=0,
        print_info=False,
        show_progressbar=False,
    )
    spectra = s.get_component_spectra()
    assert type(spectra) is exspy.signals.EDSTEMSpectrum
    assert spectra.metadata.Sample.elements == ["Fe", "Pt"]
    assert spectra.metadata.Acquisition_instrument.TEM.beam_energy == 80.0
    lines = spectra.get_lines_intensity(["Fe_Ka", "Pt_La"])
    component = int(np.argmax(lines[0].data))
    composition = spectra.inav[component].quantification(
        [line.inav[component] for line in lines],
        method="CL",
        factors=list(kfactors.values()),
        composition_units="weight",
    )
    found = [float(np.squeeze(element.data)) for element in composition]
    np.testing.assert_allclose(found, [30, 70], atol=2)


def test_eels_components_keep_the_acquisition(mixture, decompose):
    exspy = pytest.importorskip("exspy")
    s = exspy.signals.EELSSpectrum(mixture((4, 5), 40)[2])
    s.set_microscope_parameters(
        beam_energy=200, convergence_angle=30, collection_angle=50
    )
    s.metadata.set_item("Sample.elements", ["Mn", "O"])
    decompose(s, output_dimension=2)
    spectra = s.get_component_spectra()
    assert type(spectra) is exspy.signals.EELSSpectrum
    assert spectra.metadata.Acquisition_instrument.TEM.beam_energy == 200
    assert spectra.elements == {"Mn", "O"}


@pytest.mark.parametrize("lazy", [False, True])
def test_distances_of_pixels_are_maps(signal, decompose, masks, lazy, tmp_path):
    signal.data[2, 3, 15] += 5 * signal.data.max()
    s = signal.as_lazy() if lazy else signal
    for axis, name in zip(s.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.units, axis.scale = name, "nm", 0.5
    hidden = masks[0]
    decompose(s, "sss_vca", navigation_mask=hidden.T)
    distance = s.get_pixel_map("outlier_distance")
    assert type(distance) is hs.signals.Signal2D
    np.testing.assert_array_equal(np.isnan(distance.data), hidden)
    assert np.nanargmax(distance.data) == np.ravel_multi_index((2, 3), hidden.shape)
    assert np.nanmax(distance.data) > 1
    axes = distance.axes_manager.signal_axes
    assert [(a.name, a.units, a.scale) for a in axes] == [
        ("x", "nm", 0.5),
        ("y", "nm", 0.5),
    ]
    # They are saved with the other results, and go with them.
    s.save(tmp_path / "s.hspy")
    loaded = hs.load(tmp_path / "s.hspy", lazy=lazy)
    again = loaded.get_pixel_map("outlier_distance")
    np.testing.assert_array_equal(again.data, distance.data)
    decompose(s)
    with pytest.raises(ValueError, match="no map 'outlier_distance' .* of: none"):
        s.get_pixel_map("outlier_distance")


def test_other_maps_of_pixels_are_named(signal, decompose):
    decompose(signal, "sss_vca")
    known = "'outlier_distance', 'score_distance'"
    with pytest.raises(ValueError, match=f"no map 'distance' .* one of: {known}"):
        signal.get_pixel_map("distance")

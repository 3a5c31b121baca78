"""mu(E) of images: every method eager and lazy, its metadata, and bad input."""

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp import xas
from sparsedecomp.signals import XASSpectrum

METHODS = {
    "normalize": lambda s: s.normalize(),
    "flatten": lambda s: s.normalize(flatten=True, e0="per_pixel"),
    "edge_step": lambda s: s.edge_step(),
    "autobk": lambda s: s.autobk(),
    "autobk per pixel": lambda s: s.autobk(e0="per_pixel"),
    "background": lambda s: s.autobk(return_background=True)[1],
    "deglitch": lambda s: s.deglitch(),
    "deglitch per pixel": lambda s: s.deglitch(per_pixel=True),
    "shifts": lambda s: s.estimate_shifts(),
    "align": lambda s: s.align(),
    "rebin_k": lambda s: s.rebin_k(),
    "noise": lambda s: s.estimate_noise(),
    "e0": lambda s: s.find_e0("per_pixel"),
}


@pytest.mark.parametrize("name", METHODS)
def test_lazy_signals_stay_lazy_and_equal_eager_ones(name, make_image, absorption_cube):
    mu = absorption_cube[1]
    eager = METHODS[name](make_image(mu))
    lazy = METHODS[name](make_image(mu, lazy=True))
    assert lazy._lazy and not eager._lazy
    assert type(lazy).__name__.replace("Lazy", "") == type(eager).__name__
    lazy.compute(show_progressbar=False)
    np.testing.assert_allclose(lazy.data, eager.data, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", METHODS)
def test_data_and_metadata_of_the_user_are_not_touched(name, image, absorption_cube):
    image.set_edge("Cu", "K")
    before = image.metadata.as_dictionary()
    METHODS[name](image)
    np.testing.assert_array_equal(np.asarray(image.data), absorption_cube[1])
    assert image.metadata.as_dictionary() == before


@pytest.mark.parametrize("name", METHODS)
def test_pixels_keep_their_axes(name, image):
    result = METHODS[name](image)
    axes = result.axes_manager
    places = axes.signal_axes if "Spectrum" not in type(result).__name__ else ()
    places = places or axes.navigation_axes
    assert [(axis.name, axis.scale, axis.units) for axis in places] == [
        ("x", 2.0, "nm"),
        ("y", 2.0, "nm"),
    ]


def test_chi_is_that_of_the_solver(image, absorption_cube):
    energy, mu, _ = absorption_cube
    e0 = xas.e0_of(energy, mu.mean(axis=(0, 1)))
    steps = xas.Normalisation(energy, e0).edge_step(mu)
    background = xas.background_matrices(energy, e0)
    chi = image.autobk()
    np.testing.assert_allclose(
        np.asarray(chi.data), background.chi(mu, steps), atol=1e-10
    )
    axis = chi.axes_manager[-1]
    np.testing.assert_allclose(axis.axis, background.k, atol=1e-12)
    assert (axis.name, axis.units) == ("k", "1/Angstrom")


def test_metadata_say_what_was_measured_and_what_was_done(image):
    image.set_edge("Cu", "K")
    assert image.metadata.Sample.elements == ["Cu"]
    chi = image.normalize(nnorm=1, pre1=-150, pre2=-40).autobk(rbkg=1.1, kmax=12)
    done = chi.metadata.XAS.as_dictionary()
    assert done["pre1"] == -150 and done["pre2"] == -40 and done["nnorm"] == 1
    assert done["rbkg"] == 1.1 and done["kmax"] == 12 and done["kweight"] == 2
    assert done["normalized"] is True and done["edge_step"] == 1
    assert abs(done["e0"] - 8980) < 10
    measured = chi.metadata.Acquisition_instrument.XAS.Element
    assert (measured.symbol, measured.edge) == ("Cu", "K")
    assert chi.metadata.General.title == "simulated"
    transformed = chi.fourier_transform(kmin=2, kmax=11, kweight=3, dk=0.5)
    done = transformed.metadata.XAS
    assert (done.kmin, done.kmax, done.kweight, done.dk) == (2, 11, 3, 0.5)
    assert done.window == "hanning"


def test_normalised_spectra_have_edge_steps_of_1(image):
    steps = image.normalize().edge_step()
    np.testing.assert_allclose(np.asarray(steps.data), 1, atol=1e-9)
    chi = image.autobk()
    again = image.normalize().autobk()
    np.testing.assert_allclose(np.asarray(again.data), np.asarray(chi.data), atol=1e-9)


def test_edge_steps_map_the_thickness(image, absorption_cube):
    steps = np.asarray(image.edge_step().data)
    np.testing.assert_allclose(steps, absorption_cube[2], rtol=0.02)


def test_one_edge_step_for_all_keeps_the_amounts(image, absorption_cube):
    weighted, chi = image.autobk(edge_step=1.0), image.autobk()
    ratio = np.asarray(weighted.data)[..., 60] / np.asarray(chi.data)[..., 60]
    np.testing.assert_allclose(ratio, np.asarray(image.edge_step().data), rtol=1e-9)


def test_thresholds_of_pixels_are_used(make_image, absorption_cube):
    energy, mu, _ = absorption_cube
    shifts = np.zeros((3, 4))
    shifts[1] = 2.0
    # The middle row is measured 2 eV too high.
    moved = xas.shifted(energy, mu, -shifts)
    wanted = make_image(mu).autobk(e0=8980.0).data
    e0 = 8980.0 + shifts
    for value in (e0, hs.signals.BaseSignal(e0).T):
        chi = make_image(moved).autobk(e0=value)
        k = chi.axes_manager[-1].axis
        inside = (k > 3) & (k < 13)
        same = wanted[..., : len(k)][..., inside]
        error = np.abs(chi.data[..., inside] - same).max()
        assert error < 0.02 * np.abs(same).max()
    assert not chi.metadata.has_item("XAS.e0")


def test_single_spectrum_gives_numbers(make_image, absorption_cube):
    single = make_image(absorption_cube[1]).inav[1, 2]
    assert isinstance(single.edge_step(), float)
    assert isinstance(single.find_e0("per_pixel"), float)
    assert isinstance(single.estimate_noise(), float)
    assert single.autobk().axes_manager.navigation_shape == ()
    assert single.align().data.shape == single.data.shape


def test_nan_pixels_are_reported_and_do_not_spoil_the_others(
    make_image, absorption_cube
):
    mu = absorption_cube[1].copy()
    mu[0, 1, 50] = np.nan
    mu[2] = 0.3
    image = make_image(mu)
    with pytest.warns(UserWarning, match="5 of 12 pixels have no chi"):
        chi = image.autobk()
    missing = np.isnan(chi.data).any(axis=-1)
    assert missing[0, 1] and missing[2].all() and missing.sum() == 5
    with pytest.warns(UserWarning, match="5 of 12 pixels have no normalised"):
        image.normalize()
    lazy = make_image(mu, lazy=True).autobk()
    np.testing.assert_array_equal(np.isnan(lazy.data.compute()).any(axis=-1), missing)


def test_float32_stays_float32(make_image, absorption_cube):
    mu = absorption_cube[1].astype(np.float32)
    for lazy in (False, True):
        image = make_image(mu, lazy)
        assert image.autobk().data.dtype == np.float32
        assert image.normalize().data.dtype == np.float32
    counts = make_image((1000 * absorption_cube[1]).astype(int))
    assert counts.autobk().data.dtype == np.float64


def test_glitches_are_taken_from_all_pixels(make_image, absorption_cube):
    energy, mu, _ = absorption_cube
    spoilt = mu.copy()
    place = 200
    spoilt[..., place] += 0.3
    found = make_image(spoilt).deglitch()
    assert found.metadata.XAS.deglitched == [energy[place]]
    assert np.abs(found.data - mu).max() < 0.02
    named = make_image(spoilt).deglitch(energies=[energy[place] + 0.1])
    np.testing.assert_allclose(named.data, found.data)
    ranged = make_image(spoilt).deglitch(
        energies=[(energy[place] - 0.5, energy[place] + 0.5)]
    )
    np.testing.assert_allclose(ranged.data, found.data)


def test_fewer_energies_give_the_same_chi(image):
    e0 = image.find_e0()
    rebinned = image.rebin_k(kstep=0.1, edge_step=1.0, pre_step=10, e0=e0)
    assert rebinned.metadata.XAS.rebinned is True
    assert rebinned.axes_manager[-1].size < 0.7 * image.axes_manager[-1].size
    chi, again = image.autobk(e0=e0), rebinned.autobk(e0=e0, kmax=13)
    k = again.axes_manager[-1].axis
    inside = (k > 3) & (k < 12.5)
    difference = np.asarray(again.data) - np.asarray(chi.data)[..., : len(k)]
    scale = np.abs(np.asarray(chi.data)[..., : len(k)][..., inside]).max()
    assert np.abs(difference)[..., inside].max() < 0.03 * scale


def test_stray_counts_are_taken_from_their_pixels(make_image, absorption_cube):
    mu = absorption_cube[1].copy()
    mu[1, 2, 200] += 0.3
    mended = make_image(mu, lazy=True).deglitch(per_pixel=True)
    difference = np.asarray(mended.data) != mu
    np.testing.assert_array_equal(np.argwhere(difference), [[1, 2, 200]])


def test_alignment_on_a_reference_measured_along(make_image, absorption_cube):
    energy, mu, _ = absorption_cube
    drift = np.linspace(-1, 1.5, 12).reshape(3, 4)
    image = make_image(xas.shifted(energy, mu, -drift))
    reference = make_image(mu).inav[0, 0]
    shifts = image.estimate_shifts(reference)
    np.testing.assert_allclose(shifts.data, drift, atol=0.05)
    aligned = image.align(shifts=shifts)
    middle = (energy > 8985) & (energy < 9400)
    np.testing.assert_allclose(
        aligned.data[..., middle], mu[..., middle], atol=0.02 * mu.max()
    )
    np.testing.assert_allclose(image.align(reference).data, aligned.data, atol=1e-9)


@pytest.mark.parametrize("lazy", [False, True])
def test_absorption_is_made_from_counts(make_image, absorption_cube, lazy, rng):
    energy, mu, _ = absorption_cube
    i0 = np.full(mu.shape, 1e5)
    it = make_image(i0 * np.exp(-mu), lazy)
    it.metadata.set_item("Sample.name", "foil")
    for incoming in (make_image(i0, lazy), i0, i0[0, 0]):
        found = XASSpectrum.from_counts(incoming, it)
        assert found._lazy == lazy and found.metadata.Sample.name == "foil"
        np.testing.assert_allclose(np.asarray(found.data), mu)
    fluorescence = XASSpectrum.from_counts(
        i0, make_image(i0 * mu, lazy), "fluorescence"
    )
    np.testing.assert_allclose(np.asarray(fluorescence.data), mu)
    plain = XASSpectrum.from_counts(i0[0], i0[0] * np.exp(-mu[0]), energy=energy)
    np.testing.assert_allclose(plain.data, mu[0])
    assert plain.axes_manager[-1].units == "eV"


def test_decomposition_works_as_on_any_signal(image):
    image.data = abs(image.data) + 0.1
    image.decomposition(
        algorithm="nmf_so", output_dimension=2, print_info=False, show_progressbar=False
    )
    spectra = image.get_component_spectra()
    assert type(spectra) is XASSpectrum
    assert spectra.axes_manager.navigation_shape == (2,)


def test_plots(image):
    image.inav[0, 0].plot()
    image.plot(normalized=True, derivative=True)


def test_memory_does_not_grow_with_the_number_of_pixels(absorption_cube):
    import tracemalloc

    import dask
    import dask.array as da

    energy, mu, _ = absorption_cube
    peaks = []
    for rows in (16, 128):
        data = da.map_blocks(
            lambda block_info: np.tile(mu[0, 0], (8, 40, 1)),
            chunks=((8,) * (rows // 8), (40,), (len(energy),)),
            dtype=float,
        )
        axis = {"name": "Energy", "units": "eV", "axis": energy, "navigate": False}
        pixels = [{"size": size, "navigate": True} for size in (rows, 40)]
        s = hs.signals.LazySignal1D(data, axes=[*pixels, axis])
        s.set_signal_type("XAS")
        with dask.config.set(scheduler="synchronous"):
            tracemalloc.start()
            chi = s.autobk()
            chi.data.sum(axis=(0, 1)).compute()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.set_edge("Fe", "K"), "The Fe K edge is at 7112 eV, outside"),
        (lambda s: s.set_edge("Xx", "K"), "'Xx' is no element"),
        (lambda s: s.set_edge("Cu", "L9"), "'L9' is no edge"),
        (lambda s: s.find_e0("mean"), "choose 'common' or 'per_pixel'"),
        (lambda s: s.find_e0(search=(9, 10)), "Only 0 points of the scan"),
        (lambda s: s.autobk(kmax=30), "kmax=30 1/angstrom lies beyond the data"),
        (lambda s: s.autobk(e0=5.0), "e0=5 eV lies outside the energies"),
        (lambda s: s.autobk(e0=np.ones((5, 5))), r"e0 has shape \(5, 5\), but the"),
        (lambda s: s.normalize(pre1=-31, pre2=-29), "holds 1 point"),
        (lambda s: s.deglitch(energies=[5.0]), "5 eV was not measured"),
        (lambda s: s.rebin_k(kstep=0), "kstep=0: give a positive number"),
        (lambda s: s.align(limits=(1, 2)), "Only 0 energies lie between"),
        (lambda s: s.align(s), "give one spectrum on the same"),
        (lambda s: s.align(shifts=[1.0, 2.0]), r"shifts has shape \(2,\)"),
        (lambda s: s.estimate_noise(limits=(1, 2)), "Only 0 points"),
    ],
)
def test_bad_input_is_refused_before_any_work(image, call, message):
    with pytest.raises(ValueError, match=message):
        call(image)


def test_images_without_an_edge_are_refused(make_image, absorption_cube):
    flat = make_image(np.full_like(absorption_cube[1], 0.2))
    with pytest.raises(ValueError, match="No absorption edge was found"):
        flat.autobk()
    with pytest.raises(ValueError, match="No pixel has an absorption edge"):
        flat.autobk(e0="per_pixel")


def test_energies_must_increase_and_be_in_ev(make_image, absorption_cube):
    image = make_image(absorption_cube[1])
    image.axes_manager[-1].units = "keV"
    with pytest.raises(ValueError, match="The energy axis is in 'keV', expected 'eV'"):
        image.autobk()
    image.axes_manager[-1].units = "eV"
    image.axes_manager[-1].axis = image.axes_manager[-1].axis[::-1]
    with pytest.raises(ValueError, match="energy does not increase"):
        image.autobk()


def test_counts_that_do_not_fit_are_refused(make_image, absorption_cube):
    image = make_image(absorption_cube[1])
    with pytest.raises(ValueError, match="i0 is zero or negative at every point"):
        XASSpectrum.from_counts(np.zeros(len(absorption_cube[0])), image)
    for lazy in (False, True):
        image = make_image(absorption_cube[1], lazy)
        with pytest.raises(
            ValueError, match=r"i0 has shape \((7|2, 7),?\), which does"
        ):
            XASSpectrum.from_counts(np.ones((2, 7)), image)
        with pytest.raises(ValueError, match="expected one of 'transmission'"):
            XASSpectrum.from_counts(np.ones(7), image, "ratio")
        with pytest.raises(ValueError, match=r"i0 has shape \(7,\), which does"):
            XASSpectrum.from_counts(np.ones(7), image)
    with pytest.raises(ValueError, match="need their energies"):
        XASSpectrum.from_counts([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2,\) for 3 energies"):
        XASSpectrum.from_counts([1.0, 2.0], [1.0, 2.0], energy=[1.0, 2.0, 3.0])


def test_faults_of_a_scan_are_warned_of_and_remembered(make_image, absorption_cube):
    energy, mu, _ = absorption_cube
    s = make_image(mu)
    assert s.check() == [] and "flags" not in s.autobk().metadata.XAS
    for lazy in (False, True):
        jumping = make_image(mu + 0.2 * (energy > 9400), lazy=lazy)
        with pytest.warns(UserWarning, match="mu (rises|jumps) by"):
            chi = jumping.autobk()
        assert "another edge" in chi.metadata.XAS.flags[0]
    with pytest.warns(UserWarning, match="mu (rises|jumps) by"):
        jumping.normalize()


def test_glitches_at_energies_and_in_ranges(make_image, absorption_cube):
    energy = absorption_cube[0]
    corrected = make_image(absorption_cube[1]).deglitch([9100.0, (9200.0, 9210.0)])
    replaced = corrected.metadata.XAS.deglitched
    assert abs(replaced[0] - 9100) < 5 and len(replaced) > 2
    inside = energy[(energy >= 9200) & (energy <= 9210)]
    np.testing.assert_array_equal(replaced[1:], inside)

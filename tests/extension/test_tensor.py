"""Tensor decompositions of signals: modes, calibrated factors, models, files."""

import warnings

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp import TensorResults, coupled_decomposition

QUIET = {"show_progressbar": False, "random_state": 0}


@pytest.fixture
def factors(rng):
    """Factors of four steps, 5 x 6 pixels and 30 channels."""
    return [rng.random((n, 2)) + 0.05 for n in (4, 30, 30)]


@pytest.fixture
def series(factors):
    """A tilt series with units, elements and a trilinear cube (4, 5, 6 | 30)."""
    cube = np.einsum("tr,pr,er->tpe", *factors).reshape(4, 5, 6, 30)
    s = hs.signals.Signal1D(cube)
    for axis, name, units in zip(
        s.axes_manager.navigation_axes,
        ("x", "y", "tilt"),
        ("nm", "nm", "mrad"),
        strict=True,
    ):
        axis.name, axis.units, axis.scale = name, units, 0.5
    energy = s.axes_manager[-1]
    energy.name, energy.units, energy.offset = "Energy", "keV", 0.2
    s.metadata.set_item("Sample.elements", ["Fe", "O"])
    s.metadata.General.title = "series"
    return s


def agree(signal, model):
    np.testing.assert_allclose(np.asarray(model.data), signal.data, atol=1e-5)


@pytest.mark.parametrize("algorithm", ["cpd", "tucker"])
@pytest.mark.parametrize("lazy", [False, True])
def test_every_mode_is_a_calibrated_signal(series, algorithm, lazy):
    s = series.as_lazy() if lazy else series
    if lazy:
        s.data = s.data.rechunk((2, 3, 6, 30))
    results = s.tensor_decomposition(2, algorithm, **QUIET)
    assert results.names == ("x, y", "tilt", "Energy")
    maps, tilt, spectra = results.factors
    assert isinstance(maps, hs.signals.Signal2D) and maps.data.shape == (2, 5, 6)
    assert [a.name for a in maps.axes_manager.signal_axes] == ["x", "y"]
    assert tilt.axes_manager[-1].units == "mrad" and tilt.data.shape == (2, 4)
    assert spectra.axes_manager[-1].offset == 0.2 and not spectra._lazy
    assert spectra.metadata.Sample.elements == ["Fe", "O"]
    assert results["tilt"] is tilt and results.spectra is spectra
    assert results.fit == pytest.approx(100, abs=1e-3)
    agree(series, results.get_model())
    model = results.get_model(lazy=True)
    assert model._lazy and model.axes_manager["tilt"].scale == 0.5
    agree(series, model)
    assert f"'{algorithm}', 2 components" in repr(results)


def test_core_and_weights_are_those_of_unit_factors(series):
    results = series.tensor_decomposition(2, **QUIET)
    flat = [f.data.reshape(2, -1) for f in results.factors]
    for factor in flat:
        np.testing.assert_allclose(np.linalg.norm(factor, axis=1), 1)
    found = np.einsum("xyz,xp,yt,ze->tpe", results.core, *flat)
    np.testing.assert_allclose(found.reshape(series.data.shape), series.data, atol=1e-4)
    np.testing.assert_array_equal(np.einsum("rrr->r", results.core), results.weights)
    assert results.core_consistency > 99.9 and results.congruence > 0.99


def test_part_of_the_components(series):
    results = series.tensor_decomposition(2, **QUIET)
    one, other = (results.get_model([i]).data for i in (0, 1))
    np.testing.assert_allclose(one + other, results.get_model().data)
    np.testing.assert_array_equal(results.get_model(1).data, one)


@pytest.mark.parametrize("algorithm", ["cpd", "tucker"])
def test_files_hold_everything(series, algorithm, tmp_path):
    results = series.tensor_decomposition(2, algorithm, **QUIET)
    path = results.save(tmp_path / "found")
    again = TensorResults.load(path)
    assert path.suffix == ".h5" and str(again) == str(results)
    agree(series, again.get_model())
    for one, other in zip(again.factors, results.factors, strict=True):
        assert type(one) is type(other)
        np.testing.assert_array_equal(one.data, other.data)
        for axis, expected in zip(
            one.axes_manager._axes, other.axes_manager._axes, strict=True
        ):
            assert (axis.name, axis.scale) == (expected.name, expected.scale)
    assert again.spectra.metadata.Sample.elements == ["Fe", "O"]
    assert again.diagnostics["passes"] == 3
    with pytest.raises(FileExistsError, match="overwrite=True"):
        results.save(path)
    results.save(path, overwrite=True)


@pytest.mark.parametrize("algorithm", ["cpd", "tucker"])
def test_decomposition_fills_learning_results(series, algorithm):
    series.decomposition(
        algorithm=algorithm, output_dimension=2, print_info=False, **QUIET
    )
    results = series.learning_results
    assert results.factors.shape == (30, 2) and results.loadings.shape == (120, 2)
    agree(series, series.get_decomposition_model())
    if algorithm == "cpd":
        assert results.core_consistency > 99.9
        assert np.all(np.diff(results.tensor_weights) <= 0)


def test_driver_and_method_find_the_same(series):
    results = series.tensor_decomposition(2, **QUIET)
    series.decomposition(algorithm="cpd", output_dimension=2, print_info=False, **QUIET)
    np.testing.assert_allclose(
        series.learning_results.loadings, results.loadings.reshape(-1, 2)
    )


def test_masks_leave_gaps_and_are_predicted(series):
    pixels = np.zeros((6, 5, 4), bool)
    pixels[2, 1] = pixels[0, 0, 1] = True
    channels = np.arange(30) < 3
    spoilt = series.deepcopy()
    spoilt.data[pixels.T] = 1e3
    results = spoilt.tensor_decomposition(
        2, navigation_mask=pixels, signal_mask=channels, tol=1e-12, **QUIET
    )
    assert np.isnan(results.spectra.data[:, :3]).all()
    assert np.isnan(results["x, y"].data).sum() == 2
    maps = np.isnan(results.loadings).any(axis=-1)
    np.testing.assert_array_equal(maps, pixels.T)
    left = (results.get_model() - series).data
    assert np.nanmax(np.abs(left)) < 1e-3 and np.isnan(left).any()


@pytest.mark.parametrize("lazy", [False, True])
def test_single_entries_are_left_out(series, lazy, rng):
    missing = rng.random(series.data.shape) < 0.05
    missing[:, 2, 1] = True
    spoilt = series.deepcopy()
    spoilt.data[missing] = 1e3
    spoilt = spoilt.as_lazy() if lazy else spoilt
    given = series._deepcopy_with_new_data(missing) if lazy else missing
    results = spoilt.tensor_decomposition(2, missing=given, **QUIET)
    assert spoilt._lazy == lazy and series.data.dtype == spoilt.data.dtype
    np.testing.assert_array_equal(
        np.isnan(results.loadings).any(axis=-1), missing.all(axis=-1)
    )
    left = np.nan_to_num((results.get_model() - series).data)
    assert np.abs(left).max() < 1e-2
    with pytest.raises(ValueError, match="missing has the shape.*for every entry"):
        series.tensor_decomposition(2, missing=missing[0], **QUIET)
    with pytest.raises(TypeError, match="no parameter 'gaps'"):
        series.tensor_decomposition(2, "tucker", missing=missing, **QUIET)


def test_modes_by_name_index_or_axis(series):
    for modes in (["tilt", ("x", "y")], [2, (0, 1)]):
        results = series.tensor_decomposition(2, modes=modes, **QUIET)
        assert results.names == ("tilt", "x, y", "Energy")
    axes = series.axes_manager.navigation_axes
    results = series.tensor_decomposition(2, modes=[axes[2], tuple(axes[:2])], **QUIET)
    assert results.names == ("tilt", "x, y", "Energy")


def test_axes_of_other_units_are_modes_of_their_own(rng):
    s = hs.signals.Signal1D(rng.random((5, 6, 7)))
    s.axes_manager[0].units = "nm"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = s.tensor_decomposition(2, tol=1e-3, **QUIET)
    assert len(results.names) == 3


def test_a_split_plane_and_a_matrix_are_warned_of(series):
    with pytest.warns(UserWarning, match="'x' and 'y' look like a plane of pixels"):
        series.tensor_decomposition(2, modes=["tilt", "x", "y"], **QUIET)
    with pytest.warns(UserWarning, match="factorisation of a matrix.*not unique"):
        series.inav[:, :, 0].tensor_decomposition(2, **QUIET)


def test_bad_input(series):
    for modes in (["tilt"], ["tilt", "x", "x", "y"]):
        with pytest.raises(ValueError, match="in exactly one mode"):
            series.tensor_decomposition(2, modes=modes)
    with pytest.raises(ValueError, match="no navigation axis 'angle'"):
        series.tensor_decomposition(2, modes=["angle", ("x", "y")])
    with pytest.raises(ValueError, match="not a tensor decomposition.*'cpd', 'tucker'"):
        series.tensor_decomposition(2, "nmf_so")
    with pytest.raises(ValueError, match="positive integer"):
        series.tensor_decomposition(0)
    with pytest.raises(TypeError, match="no parameter 'n_starts'"):
        series.tensor_decomposition(2, n_starts=3)
    with pytest.raises(ValueError, match="expected at most 120"):
        series.tensor_decomposition(121)
    with pytest.raises(KeyError, match="no mode 'time'"):
        series.tensor_decomposition(2, **QUIET)["time"]
    series.data[1, 2, 3, 4] = np.nan
    with pytest.raises(ValueError, match="pixel.*channel 4"):
        series.tensor_decomposition(2, **QUIET)


def test_data_are_not_changed(series):
    before = series.data.copy()
    series.tensor_decomposition(2, noise="poisson", **QUIET)
    series.tensor_rank(2, n_init=2, random_state=0)
    np.testing.assert_array_equal(series.data, before)


def test_rank_of_a_signal(series, rng):
    series.data += 0.01 * rng.standard_normal(series.data.shape)
    assert series.tensor_rank(3, n_init=2, random_state=0).recommended == 2


@pytest.fixture
def scan(rng):
    """Two detectors, one scan of 5 x 6 pixels, counts."""
    maps = rng.dirichlet([0.4, 0.4], 30)
    made = []
    for n in (25, 40):
        counts = rng.poisson(300 * maps @ rng.dirichlet(np.ones(n), 2))
        made.append(hs.signals.Signal1D(counts.reshape(5, 6, n).astype(float)))
    return made


@pytest.mark.parametrize("lazy", [False, True])
def test_coupled_signals_share_their_maps(scan, lazy):
    signals = [s.as_lazy() for s in scan] if lazy else scan
    one, other = coupled_decomposition(signals, 2, random_state=0)
    np.testing.assert_array_equal(one.factors[0].data, other.factors[0].data)
    assert one.diagnostics["likelihood"]
    for results, s in zip((one, other), scan, strict=True):
        model = results.get_model()
        assert model.data.shape == s.data.shape
        assert model.data.sum() == pytest.approx(s.data.sum(), rel=1e-3)
        np.testing.assert_allclose(
            np.linalg.norm(results.spectra.data, axis=1), 1, rtol=1e-6
        )


def test_coupled_signals_may_share_spectra_or_named_modes(series, factors, rng):
    tensors = series, series.inav[:3]
    one, other = coupled_decomposition(tensors, 2, "signal", noise="uniform")
    np.testing.assert_array_equal(one.spectra.data, other.spectra.data)
    image = hs.signals.Signal1D((factors[1] @ rng.random((2, 20))).reshape(5, 6, 20))
    for axis, name in zip(image.axes_manager.navigation_axes, "xy", strict=True):
        axis.name = name
    one, other = coupled_decomposition(
        [series, image], 2, ["x, y"], noise="uniform", tol=1e-10, random_state=0
    )
    np.testing.assert_array_equal(one["x, y"].data, other["x, y"].data)
    assert np.abs(one.get_model().data - series.data).max() < 0.05


def test_coupled_signals_with_masks(scan):
    edx, eels = scan
    pixels = np.zeros((6, 5), bool)
    pixels[2, 1] = True
    channels = np.arange(40) < 3
    spoilt = eels.deepcopy()
    spoilt.data[..., :3] = spoilt.data[1, 2] = 1e4
    one, other = coupled_decomposition(
        [edx, spoilt],
        2,
        navigation_mask=pixels,
        signal_mask=[None, channels],
        random_state=0,
    )
    assert np.isnan(other.spectra.data[:, :3]).all()
    assert not np.isnan(one.spectra.data).any()
    for results in (one, other):
        gaps = np.isnan(results.loadings).any(axis=-1)
        np.testing.assert_array_equal(gaps, pixels.T)
        assert np.isnan(results.factors[0].data[:, 1, 2]).all()
    # A pixel that one of them has is known for both.
    one, other = coupled_decomposition(
        [edx, spoilt],
        2,
        navigation_mask=[None, pixels],
        signal_mask=[None, channels],
        random_state=0,
    )
    assert not np.isnan(other.loadings).any()
    left = (other.get_model().data - eels.data)[1, 2, 3:]
    assert np.linalg.norm(left) < 0.6 * np.linalg.norm(eels.data[1, 2, 3:])


def test_coupled_maps_are_smoothed_unless_told_otherwise(scan):
    one, _ = coupled_decomposition(scan, 2, random_state=0)
    assert list(one.diagnostics["smoothness"]) == ["mode 0"]
    one, _ = coupled_decomposition(scan, 2, smooth=False, random_state=0)
    assert one.diagnostics["smoothness"] == {}


def test_coupled_bad_input(scan, series):
    with pytest.raises(ValueError, match="signal_mask has to be a sequence of 2"):
        coupled_decomposition(scan, 2, signal_mask=np.zeros(25, bool))
    with pytest.raises(ValueError, match="navigation mask has the shape"):
        coupled_decomposition(scan, 2, navigation_mask=np.zeros((5, 6), bool))
    with pytest.raises(ValueError, match="expected two or more"):
        coupled_decomposition(scan[:1], 2)
    with pytest.raises(ValueError, match=r"navigation shapes \(6, 5\), \(5, 5\)"):
        coupled_decomposition([scan[0], scan[1].inav[:5]], 2)
    with pytest.raises(ValueError, match="expected 'navigation', 'signal' or names"):
        coupled_decomposition(scan, 2, "energy")


@pytest.fixture(scope="module")
def moving():
    """Two peaks that move along a series of 6 steps of 4 x 5 pixels, (t, y, x | E)."""
    rng = np.random.default_rng(0)
    energy, step = np.arange(60.0), np.arange(6)[:, None]
    maps, amounts = rng.dirichlet([0.4, 0.4], 20), rng.random((6, 2)) + 0.3
    peaks = np.stack(
        [
            np.exp(-0.5 * ((energy - centre - speed * step) / 4) ** 2)
            for centre, speed in ((15, 1.2), (40, 1.0))
        ],
        axis=-1,
    )
    s = hs.signals.Signal1D(
        np.einsum("kr,ir,ker->kie", amounts, maps, peaks).reshape(6, 4, 5, 60)
    )
    for axis, name in zip(s.axes_manager._axes, "tyxE", strict=True):
        axis.name = name
    s.axes_manager["t"].units, s.axes_manager["t"].scale = "K", 20.0
    s.metadata.set_item("Sample.elements", ["Fe"])
    return s


def test_peaks_that_move(moving, tmp_path):
    channels = np.arange(60) < 2
    results = moving.tensor_decomposition(
        2, "parafac2", signal_mask=channels, tol=1e-7, **QUIET
    )
    assert results.names == ("x, y", "t", "E")
    evolving = results.evolving
    assert type(evolving) is type(results.spectra)
    assert evolving.data.shape == (2, 6, 60) and evolving.axes_manager["t"].units == "K"
    assert evolving.metadata.Sample.elements == ["Fe"]
    np.testing.assert_allclose(evolving.data.mean(axis=1), results.spectra.data)
    np.testing.assert_allclose(
        np.linalg.norm(results.spectra.data[:, 2:], axis=1), 1, rtol=1e-6
    )
    found = np.argmax(np.nan_to_num(evolving.data), axis=-1)
    expected = np.stack([15 + 1.2 * np.arange(6), 40 + np.arange(6)])
    expected = expected if found[0, 0] < 30 else expected[::-1]
    assert np.abs(found - expected).max() <= 1
    again = TensorResults.load(results.save(tmp_path / "moving"))
    assert again.evolving.axes_manager["t"].scale == 20.0
    for each in (results, again):
        for lazy in (False, True):
            left = (each.get_model(lazy=lazy) - moving).data[..., 2:]
            assert np.abs(np.asarray(left)).max() < 1e-2
    one, other = (results.get_model([i]).data for i in (0, 1))
    np.testing.assert_allclose(one + other, results.get_model().data)


def test_the_series_may_be_any_axis(moving):
    turned = moving.transpose(navigation_axes=["t", "x", "y"])
    for s, modes, series in (
        (turned, None, None),
        (moving, ["t", ("x", "y")], "t"),
        (moving, [("x", "y"), 2], None),
    ):
        named = {} if series is None else {"series": series}
        results = s.tensor_decomposition(
            2, "PARAFAC2", modes, n_init=2, tol=1e-4, **named, **QUIET
        )
        assert results.evolving.axes_manager.navigation_axes[0].name == "t"
        assert np.abs((results.get_model() - s).data).max() < 0.1
    with pytest.raises(ValueError, match="needs two modes, the pixels and a series"):
        moving.tensor_decomposition(2, "parafac2", series="x")
    with pytest.raises(ValueError, match="needs two modes, the pixels and a series"):
        moving.inav[:, :, 0].tensor_decomposition(2, "parafac2")
    with pytest.raises(ValueError, match="parafac2.*not recognised"):
        moving.decomposition(algorithm="parafac2", output_dimension=2)


def test_methods_are_registered():
    assert {"tensor_decomposition", "tensor_rank"} <= set(dir(hs.signals.Signal1D))
    names = [name.rpartition(".")[2] for name in sparsedecomp.status().methods]
    assert "tensor_decomposition" in names


def test_lazy_series_is_read_three_times(series):
    reads = []

    def read(block):
        reads.append(1)
        return block

    lazy = da.from_array(series.data, chunks=(2, 5, 6, 30)).map_blocks(
        read, meta=np.empty((0, 0, 0, 0))
    )
    s = hs.signals.Signal1D(lazy).as_lazy()
    s.tensor_decomposition(2, modes=[(0, 1), 2], **QUIET)
    assert len(reads) == 2 * 3


@pytest.mark.parametrize("algorithm", ["cpd", "tucker"])
def test_measured_zeros_are_data_and_masked_pixels_are_not(algorithm):
    rng = np.random.default_rng(0)
    A, B, C = (rng.random((n, 2)) for n in (5, 12, 20))
    X = np.einsum("ir,jr,er->ije", A, B, C).reshape(5, 3, 4, 20)
    X[:, 1, 2] = 0
    s = hs.signals.Signal1D(X)
    for axis, name in zip(s.axes_manager.navigation_axes, "xyt", strict=True):
        axis.name = name
    mask = np.zeros((5, 3, 4), bool)
    mask[:, 0, 1] = True
    results = s.tensor_decomposition(
        2, algorithm, navigation_mask=mask.T, show_progressbar=False, random_state=0
    )
    model = results.get_model().data
    assert np.isnan(model[:, 0, 1]).all()
    model[:, 0, 1] = X[:, 0, 1]
    np.testing.assert_allclose(model[:, 1, 2], 0, atol=1e-3)
    assert np.isfinite(model).all()
    maps = results["x, y"].data
    assert np.isnan(maps[:, 0, 1]).all() and np.isfinite(maps[:, 1, 2]).all()

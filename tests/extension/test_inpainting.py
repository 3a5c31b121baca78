"""`s.inpaint`: masks of all kinds, scan lists, laziness, the report and its file."""

import numpy as np
import pytest

import sparsedecomp  # noqa: F401

hs = pytest.importorskip("hyperspy.api")

SHAPE, CHANNELS = (24, 20), 40


@pytest.fixture(scope="module")
def scene():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = ((y - 11) ** 2 + (x - 9) ** 2 < 40)[..., None]
    spectra = np.random.default_rng(1).uniform(0.2, 3, (2, CHANNELS))
    clean = disc * spectra[0] + ~disc * spectra[1]
    rng = np.random.default_rng(0)
    return clean, rng.poisson(clean).astype(np.uint8), rng.random(SHAPE) < 0.5


@pytest.fixture(scope="module")
def signal(scene):
    s = hs.signals.Signal1D(scene[1])
    s.metadata.General.title = "two phases"
    for axis, name in zip(s.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.units, axis.scale = name, "nm", 0.5
    return s


@pytest.fixture(scope="module")
def filled(signal, scene):
    return signal.inpaint(scene[2], "tv")


def test_missing_spectra_are_filled_and_the_data_stay(signal, filled, scene):
    clean, counts, missing = scene
    np.testing.assert_array_equal(signal.data, counts)
    assert np.std(filled.data - clean) < 0.4 * np.std(counts - clean)
    assert filled.metadata.General.title == "two phases, inpainted"
    assert filled.axes_manager[0].scale == 0.5 and filled.data.dtype == np.float32
    np.testing.assert_array_equal(filled.inpainting.missing, missing)
    kept = signal.inpaint(scene[2], "tv", weight=1.0, keep_measured=True)
    np.testing.assert_array_equal(kept.data[~missing], counts[~missing])


def test_lazy_signals_and_masks_that_are_signals(signal, filled, scene):
    import dask.array as da

    lazy = hs.signals.Signal1D(da.from_array(scene[1], chunks=(7, 20, 40))).as_lazy()
    mask = hs.signals.Signal2D(scene[2])
    found = lazy.inpaint(mask, "tv")
    assert found._lazy
    difference = np.abs(found.data.compute() - filled.data).max()
    assert difference < 1e-5 * filled.data.max()
    nonnegative = signal.inpaint(mask.transpose(navigation_axes=2), "tv", lazy=True,
                                 nonnegative=True)  # fmt: skip
    assert nonnegative._lazy and nonnegative.data.compute().min() >= 0


def test_a_scan_list_is_put_on_its_map(signal, filled, scene):
    _, counts, missing = scene
    places = np.argwhere(~missing)[:, ::-1]
    order = np.random.default_rng(2).permutation(len(places))
    lined = hs.signals.Signal1D(counts[~missing][order])
    shape = SHAPE[::-1]
    found = lined.inpaint(positions=places[order], navigation_shape=shape, method="tv")
    assert found.axes_manager.navigation_shape == shape
    np.testing.assert_allclose(found.data, filled.data, atol=1e-4)
    again = lined.as_lazy().inpaint(positions=places[order], method="tv")
    assert again._lazy
    np.testing.assert_allclose(again.data.compute(), filled.data, atol=1e-4)


def test_single_entries_are_filled_and_the_others_kept(signal, scene):
    clean, counts, missing = scene
    holes = np.random.default_rng(3).random(counts.shape) < 0.2
    found = signal.inpaint(holes)
    np.testing.assert_array_equal(found.data[~holes], counts[~holes])
    assert np.std((found.data - clean)[holes]) < 0.5 * np.std(counts - clean)
    assert found.inpainting.n_entries == holes.sum()
    assert "filled from 2 spectra" in str(found.inpainting)
    with pytest.raises(AttributeError, match="no maps were restored"):
        found.inpainting.standard_deviation  # noqa: B018
    every = signal.inpaint(holes, "low_rank", keep_measured=False, nonnegative=True)
    assert np.std(every.data - clean) < 0.5 * np.std(counts - clean)
    with_nan = np.where(holes | missing[..., None], np.nan, counts)
    both = hs.signals.Signal1D(with_nan).as_lazy().inpaint(method="tv")
    assert np.std(both.data.compute() - clean) < 0.5 * np.std(counts - clean)
    with pytest.raises(ValueError, match="low_rank' cannot fill"):
        hs.signals.Signal1D(with_nan).inpaint(method="low_rank")


def test_the_report_is_saved_with_the_signal(filled, tmp_path):
    report = filled.inpainting
    assert "pixels missing" in repr(report) and "held out" in str(report)
    deviation = report.standard_deviation.data.compute()
    assert deviation.shape == filled.data.shape and (deviation > 0).all()
    filled.save(tmp_path / "filled.hspy")
    loaded = hs.load(tmp_path / "filled.hspy")
    assert str(loaded.inpainting) == str(report)
    assert loaded.metadata.Inpainting.missing_pixels == report.missing.sum()
    with pytest.raises(AttributeError, match="s.inpaint"):
        hs.signals.Signal1D(np.ones((3, 4))).inpainting  # noqa: B018


def test_images_spectra_stacks_and_missing_lines():
    y, x = np.mgrid[:24, :20]
    image = np.sin(y / 3.0) + x / 9.0
    holes = image.copy()
    holes[np.random.default_rng(0).random(image.shape) < 0.4] = np.nan
    found = hs.signals.Signal2D(holes).inpaint(method="gp")
    known = np.isfinite(holes)
    np.testing.assert_allclose(found.data[known], image[known], atol=1e-6)
    assert np.std(found.data - image) < 0.03
    line = hs.signals.Signal1D(holes[12]).inpaint(method="smooth")
    assert line.data.shape == (20,) and np.isfinite(line.data).all()
    stack = hs.signals.Signal2D(np.arange(1, 9)[:, None, None] * image)
    lines = np.zeros(image.shape, bool)
    lines[7] = True
    with pytest.warns(UserWarning, match="1 rows of the map"):
        filled = stack.inpaint(lines, "tv")
    assert np.abs(filled.data[:, 7] - stack.data[:, 7]).max() < 4


def test_bad_input_is_refused(signal, scene):
    _, counts, missing = scene
    with pytest.raises(ValueError, match="no NaN, and no mask"):
        signal.inpaint()
    with pytest.raises(ValueError, match="expected that of the maps"):
        signal.inpaint(missing.T)
    with pytest.raises(ValueError, match="other than 0 and 1"):
        signal.inpaint(2 * missing)
    with pytest.raises(ValueError, match="All pixels are missing"):
        signal.inpaint(np.ones(SHAPE, bool))
    empty = np.zeros(counts.shape, bool)
    empty[..., 3] = True
    with pytest.raises(ValueError, match="Channel 3 is missing"):
        signal.inpaint(empty)
    with pytest.raises(ValueError, match="expected one of them"):
        signal.inpaint(missing, positions=[[0, 0]])
    with pytest.raises(ValueError, match="without positions"):
        signal.inpaint(missing, navigation_shape=(3, 4))
    with pytest.raises(ValueError, match="for a map of spectra"):
        signal.inpaint(missing, noise=3.0)
    with pytest.raises(ValueError, match="single map"):
        signal.inav[:, :].sum(-1).inpaint(missing, n_components=2)
    with pytest.raises(TypeError, match="complex"):
        hs.signals.Signal1D(1j * counts).inpaint(missing)
    lined = hs.signals.Signal1D(counts[0])
    for positions, message in (
        (np.zeros((20, 3)), "expected \\(20, 2\\)"),
        (np.full((20, 2), 0.5), "whole numbers"),
        (np.zeros((20, 2)), "given twice"),
    ):
        with pytest.raises(ValueError, match=message):
            lined.inpaint(positions=positions)
    places = np.stack([np.arange(20), np.zeros(20)], axis=1)
    with pytest.raises(ValueError, match="outside the map"):
        lined.inpaint(positions=places, navigation_shape=(5, 5))
    with pytest.raises(ValueError, match="one navigation axis"):
        signal.inpaint(positions=places)
    with pytest.raises(ValueError, match="0 navigation and 0 signal axes"):
        hs.signals.BaseSignal([1.0]).inpaint([False])

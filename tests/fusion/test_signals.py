"""`s.fuse` on signals: grids by axes, results, files, figures and refusals."""

import hyperspy.api as hs
import numpy as np
import pytest

STEP = 4


def as_signals(coarse, guide, units="nm", step=0.5):
    """A cube and a guide, calibrated so that they show the same field."""
    s = hs.signals.Signal1D(coarse)
    for axis in s.axes_manager.navigation_axes:
        axis.scale, axis.units, axis.offset = STEP * step, units, 7.0
    s.axes_manager.signal_axes[0].name = "Energy"
    image = hs.signals.Signal2D(guide)
    for axis in image.axes_manager.signal_axes:
        axis.scale, axis.units = step, units
        axis.offset = 7.0 - 1.5 * step
    return s, image


@pytest.fixture(scope="module")
def signals(simulated):
    return as_signals(*simulated[1:])


@pytest.fixture(scope="module")
def sharp(signals):
    return signals[0].fuse(signals[1])


def test_result_has_the_grid_of_the_guide_and_the_channels_of_the_cube(
    sharp, signals, simulated
):
    s, guide = signals
    assert sharp.data.shape == simulated[0].shape
    for own, fine in zip(
        sharp.axes_manager.navigation_axes, guide.axes_manager.signal_axes, strict=True
    ):
        assert own.scale == pytest.approx(fine.scale)
        assert own.offset == pytest.approx(fine.offset)
        assert own.units == "nm"
    assert sharp.axes_manager.signal_axes[0].name == "Energy"
    assert sharp.metadata.Fusion.outcome == "accepted"


def test_cube_and_guide_are_not_changed(simulated):
    s, guide = as_signals(*(part.copy() for part in simulated[1:]))
    before = s.data.copy(), s.metadata.as_dictionary(), guide.data.copy()
    s.fuse(guide, method="interpolation")
    np.testing.assert_array_equal(s.data, before[0])
    np.testing.assert_array_equal(guide.data, before[2])
    assert s.metadata.as_dictionary() == before[1]


def test_report_is_kept_in_files(sharp, tmp_path):
    sharp.save(tmp_path / "sharp.hspy")
    again = hs.load(tmp_path / "sharp.hspy").fusion
    assert str(again) == str(sharp.fusion)
    np.testing.assert_array_equal(again.fused.maps, sharp.fusion.fused.maps)
    path = sharp.fusion.save(tmp_path / "report")
    assert type(sharp.fusion).load(path).outcome == "accepted"


def test_report_says_what_the_guide_was_worth(sharp):
    text = str(sharp.fusion)
    assert "The guide was accepted" in text
    assert "dB over spatial_process" in text
    assert "Point spread (estimated): gaussian" in text


def test_other_signals_say_that_they_are_not_fused(signals):
    with pytest.raises(AttributeError, match="no result of"):
        _ = signals[0].fusion


def test_lazy_cube_gives_a_lazy_result_of_equal_values(signals, sharp):
    lazy = signals[0].as_lazy().fuse(signals[1], psf=sharp.fusion.fused.degradation.psf)
    assert lazy._lazy
    lazy.compute(show_progressbar=False)
    np.testing.assert_allclose(lazy.data, sharp.data, rtol=1e-4, atol=1e-4)


def test_standard_deviation_is_a_signal_of_the_same_shape(sharp):
    spread = sharp.fusion.standard_deviation
    assert spread.data.shape == sharp.data.shape
    assert (spread.data.compute() > 0).all()


def test_figure_shows_cube_and_uncertainty(sharp):
    axes = sharp.fusion.plot()
    assert [ax.get_title(loc="left") for ax in axes] == [
        "coarse, all channels",
        "guided_process, guide accepted",
        "uncertainty",
    ]


def test_stack_of_images_and_map_of_bands_are_the_same_guide(signals, simulated):
    s, image = signals
    bands = np.stack([simulated[2], simulated[2] ** 2], axis=-1)
    stack = hs.signals.Signal2D(np.moveaxis(bands, -1, 0))
    map_ = hs.signals.Signal1D(bands)
    found = []
    for guide, axes in (
        (stack, stack.axes_manager.signal_axes),
        (map_, map_.axes_manager.navigation_axes),
    ):
        for own, axis in zip(axes, image.axes_manager.signal_axes, strict=True):
            own.scale, own.offset, own.units = axis.scale, axis.offset, axis.units
        found.append(s.fuse(guide, method="regression").data)
    np.testing.assert_array_equal(*found)


def test_guide_of_a_larger_field_is_cropped(signals, simulated):
    s, image = signals
    wide = hs.signals.Signal2D(np.pad(simulated[2], 10, mode="reflect"))
    for own, axis in zip(
        wide.axes_manager.signal_axes, image.axes_manager.signal_axes, strict=True
    ):
        own.scale, own.units = axis.scale, axis.units
        own.offset = axis.offset - 10 * axis.scale
    found = s.fuse(wide, method="regression", registration=False)
    assert found.data.shape == simulated[0].shape
    expected = s.fuse(image, method="regression", registration=False)
    np.testing.assert_allclose(found.data, expected.data, atol=1e-6)


def test_guide_of_a_smaller_field_warns_and_crops_the_cube(signals):
    s, image = signals
    with pytest.warns(UserWarning, match="covers 8 of the 12 pixels"):
        found = s.fuse(image.isig[:32, :], method="interpolation")
    assert found.axes_manager.navigation_shape == (32, 48)


def test_equal_steps_with_more_pixels_are_refused(simulated):
    s, image = as_signals(*simulated[1:])
    for axis in image.axes_manager.signal_axes:
        axis.scale = STEP * 0.5
    with pytest.raises(ValueError, match="not finer than the cube"):
        s.fuse(image)
    for axis in image.axes_manager.signal_axes:
        axis.scale = 2 * STEP * 0.5
    with pytest.raises(ValueError, match="by its axes it is no sharper image"):
        s.fuse(image)


def test_fields_that_do_not_overlap_are_refused(simulated):
    s, image = as_signals(*simulated[1:])
    image.axes_manager.signal_axes[0].offset = 900
    with pytest.raises(ValueError, match="do not overlap"):
        s.fuse(image)


def test_units_that_differ_are_refused(simulated):
    s, image = as_signals(*simulated[1:])
    image.axes_manager.signal_axes[0].units = "µm"
    with pytest.raises(ValueError, match="convert_to_units"):
        s.fuse(image)


def test_axes_without_calibration_warn(simulated):
    s, image = hs.signals.Signal1D(simulated[1]), hs.signals.Signal2D(simulated[2])
    with pytest.warns(UserWarning, match="edge to edge"):
        found = s.fuse(image, method="interpolation")
    assert found.axes_manager[0].scale == pytest.approx(0.25)
    assert found.axes_manager[0].offset == pytest.approx(-0.375)


def test_guide_that_is_no_signal_is_refused(signals, simulated):
    with pytest.raises(TypeError, match="needs a HyperSpy signal"):
        signals[0].fuse(simulated[2])


def test_image_has_no_spectra_to_fuse(signals):
    with pytest.raises(ValueError, match="expected a map of spectra"):
        signals[1].fuse(signals[1])

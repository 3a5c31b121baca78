"""The report of a super-resolved signal is there after save and load."""

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp


def frames():
    for x0, y0 in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)):
        y, x = np.mgrid[:14, :14] + np.array([y0, x0])[:, None, None]
        frame = hs.signals.Signal1D(
            2 + (np.sin(x) * np.cos(y))[..., None] + np.eye(5)[0]
        )
        frame.axes_manager[0].offset, frame.axes_manager[1].offset = x0, y0
        frame.axes_manager[0].units = "um"
        yield frame


@pytest.mark.parametrize("image, lazy", [(False, True), (True, False)])
def test_the_report_is_saved_with_the_signal(image, lazy, tmp_path):
    measured = list(frames())
    if image:
        measured = [s.isig[0].transpose(signal_axes=2) for s in measured]
    fine = sparsedecomp.super_resolve(
        measured, scale=2, registration=image, method="interpolation"
    )
    fine.save(tmp_path / "fine.hspy")
    loaded = hs.load(tmp_path / "fine.hspy", lazy=lazy)
    report, again = fine.super_resolution, loaded.super_resolution
    assert str(again) == str(report) and again is loaded.super_resolution
    np.testing.assert_equal(again.as_dict(), report.as_dict())
    for name in ("maps", "deviation", "history", "noise"):
        values = getattr(again.fine, name)
        np.testing.assert_array_equal(values, getattr(report.fine, name))
    assert again.fine.processes == report.fine.processes
    np.testing.assert_array_equal(again.plan.by_frequency, report.plan.by_frequency)
    one, other = again.standard_deviation, report.standard_deviation
    assert type(one) is type(other)
    assert one.metadata.General.title == other.metadata.General.title
    np.testing.assert_array_equal(one.data.compute(), other.data.compute())
    for here, there in zip(
        one.axes_manager._axes, other.axes_manager._axes, strict=True
    ):
        assert (here.name, here.units) == (there.name, there.units)
        np.testing.assert_allclose(here.axis, there.axis)


def test_other_signals_have_no_report():
    s = hs.signals.Signal1D(np.zeros((3, 4)))
    assert not hasattr(s, "super_resolution")
    with pytest.raises(AttributeError, match="no result of .sparsedecomp.super_res"):
        s.super_resolution  # noqa: B018

"""`super_resolve` on HyperSpy signals: axes, laziness, report, refusals."""

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import sparsedecomp
from sparsedecomp import datasets

pytestmark = pytest.mark.filterwarnings("ignore:.*of what the fine map can hold")

# For tests of everything but the solution.
QUICK = {"registration": False, "method": "gaussian_process", "n_factors": 2}


@pytest.fixture(scope="module")
def frames():
    return datasets.shifted_frames(shape=(16, 18), n_channels=30, jitter=0.05)


@pytest.fixture(scope="module")
def resolved(frames):
    before = [f.data.copy() for f in frames]
    signal = sparsedecomp.super_resolve(frames, scale=2.5)
    for frame, data in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame.data, data)
    return signal


def few(frames):
    return [f.deepcopy() for f in frames[:4]]


def rmse(signal):
    inner = (slice(3, -3),) * 2
    return np.sqrt(np.mean((signal.data - datasets.fine_truth(signal))[inner] ** 2))


def test_axes_are_those_of_the_fine_map(resolved):
    x, y, energy = resolved.axes_manager._get_axes_in_natural_order()
    assert (x.name, x.units, y.name) == ("x", "um", "y")
    assert x.scale == pytest.approx(0.2) and y.scale == pytest.approx(0.2)
    assert (x.offset, y.offset) == (pytest.approx(55.0), pytest.approx(44.6))
    assert energy.name == "Binding energy" and energy.size == 30
    # 55.0 to 55.2 + 17 steps, and 44.6 to 45.0 + 15 steps.
    assert resolved.data.shape == (40, 44, 30)
    assert type(resolved) is hs.signals.Signal1D
    assert resolved.metadata.General.title.endswith("super-resolved")
    assert not resolved.metadata.has_item("Ground_truth")


def test_drift_is_found_and_the_map_is_better_for_it(frames, resolved):
    true = np.array([f.metadata.Ground_truth.start for f in frames])
    nominal = np.array([[f.axes_manager[i].offset for i in (0, 1)] for f in frames])
    drift, found = true - nominal, resolved.super_resolution
    assert np.sqrt(np.mean((found.drift - drift) ** 2)) < 0.3 * drift.std()
    assert np.isfinite(found.drift_deviation).all()
    as_nominal = sparsedecomp.super_resolve(frames, 2.5, registration=False)
    assert rmse(resolved) < 0.7 * rmse(as_nominal)


def test_standard_deviation_is_that_of_the_error(resolved):
    deviation = resolved.super_resolution.standard_deviation
    assert deviation._lazy and deviation.data.shape == resolved.data.shape
    z = (resolved.data - datasets.fine_truth(resolved)) / deviation.data.compute()
    assert 0.5 < z[3:-3, 3:-3].std() < 2.5


def test_report_says_what_was_done(resolved):
    text = str(resolved.super_resolution)
    assert "samples held out" in text and "over interpolation" in text
    about = resolved.metadata.Super_resolution
    assert about.n_frames == 9 and about.scale == 2.5 and about.passes == 4
    assert about.gain_over_interpolation_dB > 0
    assert about.registration == "evidence and held-out frames improve"


def test_lazy_frames_give_a_lazy_map(frames):
    lazy = [f.as_lazy() for f in frames[:4]]
    found = sparsedecomp.super_resolve(lazy, 2, **QUICK)
    eager = sparsedecomp.super_resolve(frames[:4], 2, **QUICK)
    assert found._lazy and not eager._lazy
    np.testing.assert_allclose(found.data.compute(), eager.data, rtol=1e-3, atol=0.05)


def test_a_stack_with_offsets_is_a_list_of_frames(frames):
    stack = hs.stack(frames[:4])
    offsets = [[f.axes_manager[i].offset for i in (0, 1)] for f in frames[:4]]
    found = stack.super_resolve(scale=2, offsets=offsets, **QUICK)
    listed = sparsedecomp.super_resolve(frames[:4], 2, **QUICK)
    np.testing.assert_allclose(found.data, listed.data, rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="their offsets are missing"):
        stack.super_resolve(scale=2)


def test_images_are_maps_of_one_channel(frames):
    images = [f.sum(-1).T for f in frames[:4]]
    found = sparsedecomp.super_resolve(images, 2, **QUICK)
    assert found.axes_manager.signal_dimension == 2
    assert found.axes_manager.signal_axes[0].scale == pytest.approx(0.25)
    stack = hs.stack(images)
    offsets = [[i.axes_manager.signal_axes[k].offset for k in (0, 1)] for i in images]
    again = stack.super_resolve(2, offsets, **QUICK)
    np.testing.assert_allclose(again.data, found.data, rtol=1e-4)


def test_offsets_can_be_estimated(frames):
    blind = few(frames)
    for frame in blind:
        frame.axes_manager[0].offset = frame.axes_manager[1].offset = 0
    found = sparsedecomp.super_resolve(blind, 2, "estimate", method="gaussian_process")
    true = np.array([f.metadata.Ground_truth.start for f in frames[:4]])
    shifts = found.super_resolution.shifts
    error = (shifts - shifts.mean(axis=0)) - (true - true.mean(axis=0))
    assert np.sqrt(np.mean(error**2)) < 0.05


@pytest.mark.parametrize("factors", ["nmf_so_ard", None])
def test_other_factors(frames, factors):
    found = sparsedecomp.super_resolve(
        [f.rebin(scale=(1, 1, 10)) for f in frames[:4]],
        2,
        factors=factors,
        **(QUICK | {"n_factors": None}),
    )
    assert np.isfinite(found.data).all() and found.data.mean() > 0
    report = found.super_resolution
    if factors == "nmf_so_ard":
        assert found.data.min() >= 0 and 0 < report.as_dict()["clipped"] < 1
        assert "were put to zero" in str(report)
    else:
        assert report.fine.clipped == 0


def test_masked_pixels_may_be_nan(frames):
    broken = few(frames)
    broken[1].data[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"pixel \(1, 3, 5\)"):
        sparsedecomp.super_resolve(broken, 2)
    masks = [None] * 4
    masks[1] = np.zeros((18, 16), bool)
    masks[1][5, 3] = True
    found = sparsedecomp.super_resolve(broken, 2, navigation_mask=masks, **QUICK)
    assert np.isfinite(found.data).all()


def test_spectrum_at_any_point(frames, resolved):
    found = resolved.spectrum_at(57.05, 46.5)
    assert type(found) is hs.signals.Signal1D
    assert found.axes_manager.navigation_dimension == 0
    assert found.axes_manager[-1].offset == pytest.approx(280)
    pixel = resolved.inav[5, 7]
    x, y = (resolved.axes_manager[i].index2value(n) for i, n in ((0, 5), (1, 7)))
    np.testing.assert_allclose(
        resolved.spectrum_at(x, y).data, pixel.data, rtol=1e-4, atol=1e-3
    )
    lazy = resolved.as_lazy().spectrum_at(57.05, 46.5)
    np.testing.assert_allclose(lazy.data, found.data)
    with pytest.raises(ValueError, match="lies outside the axis 'x'"):
        resolved.spectrum_at(0, 46)
    with pytest.raises(ValueError, match="0 navigation axes"):
        found.spectrum_at(57, 46)


def _cropped(s):
    s[2] = s[2].inav[:10]


def _other_step(s):
    s[2].axes_manager[0].scale = 0.4


def _other_energy(s):
    s[2].axes_manager[-1].offset += 3


def _same_place(s):
    for frame in s:
        frame.axes_manager[0].offset = frame.axes_manager[1].offset = 1


def _far_away(s):
    s[2].axes_manager[0].offset = 5000


def _complex(s):
    s[2].change_dtype("complex64")


def _one(s):
    del s[1:]


@pytest.mark.parametrize(
    ("spoil", "arguments", "error", "message"),
    [
        (_cropped, {}, ValueError, r"Frame 2 has the shape \(10, 16, 30\)"),
        (_other_step, {}, ValueError, "Axis 'x' of frame 2 has a step of 0.4"),
        (_other_energy, {}, ValueError, "signal axis of frame 2 runs from 283"),
        (_same_place, {}, ValueError, "their offsets are missing"),
        (_far_away, {}, ValueError, "Frame 2 begins .* hardly overlap"),
        (_complex, {}, TypeError, "Frame 2 has the dtype complex64"),
        (_one, {}, ValueError, "1 frame was given, expected at least two"),
        (None, {"scale": 0.5}, ValueError, "scale=0.5 was given, expected at least 1"),
        (None, {"psf": 20.0}, ValueError, "wider than the field"),
        (None, {"method": "deep"}, ValueError, "method='deep' is unknown"),
        (None, {"factors": "ica"}, ValueError, "factors='ica', expected one of"),
        (
            None,
            {"factors": None, "n_factors": 2, "registration": False},
            ValueError,
            "factors=None does not take n_factors=2",
        ),
        (None, {"offsets": "guess"}, ValueError, "offsets='guess', expected"),
        (None, {"offsets": [(0, 0)]}, ValueError, r"shape \(1, 2\), expected \(4, 2\)"),
    ],
)
def test_bad_input(frames, spoil, arguments, error, message):
    given = few(frames)
    if spoil:
        spoil(given)
    with pytest.raises(error, match=message):
        sparsedecomp.super_resolve(given, **({"scale": 2} | arguments))


def test_a_map_is_no_stack(frames):
    with pytest.raises(ValueError, match="has 2 navigation axes, expected three"):
        frames[0].super_resolve(2)


@pytest.mark.filterwarnings("default")
def test_a_plan_of_low_rank_is_told(frames):
    with pytest.warns(UserWarning, match="comes from the prior alone"):
        sparsedecomp.super_resolve(
            frames[:2], 2.5, registration=False, method="interpolation"
        )


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_frames_of_one_value_are_refused(value):
    frames = np.random.default_rng(0).random((4, 20, 20))
    frames[[1, 3]] = value
    with pytest.raises(ValueError, match=r"2 of 4 frames \(1, 3\) have the same value"):
        hs.signals.Signal2D(frames).super_resolve(2, offsets="estimate")


def test_frames_that_repeat_each_other_without_noise_have_no_gain():
    image = gaussian_filter(np.random.default_rng(0).random((24, 24)), 2)
    signal = hs.signals.Signal2D(np.repeat(image[None], 4, axis=0))
    with pytest.warns(UserWarning, match="comes from the prior alone"):
        fine = signal.super_resolve(2, offsets="estimate")
    assert fine.super_resolution.gain == 0


def test_frames_of_noise_alone_are_said_to_hold_nothing():
    noise = 10 + np.random.default_rng(0).standard_normal((5, 32, 32))
    with pytest.warns(UserWarning, match="no better than by their mean"):
        hs.signals.Signal2D(noise).super_resolve(2, offsets="estimate")

"""`estimate_resolution` on signals, and what super-resolution says of its own."""

from dataclasses import replace

import hyperspy.api as hs
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import sparsedecomp
from sparsedecomp import datasets
from sparsedecomp.superresolution import Resolution
from sparsedecomp.superresolution.resolution.measures import MEASURES, Measure

pytestmark = pytest.mark.filterwarnings("ignore:.*of what the fine map can hold")


def calibrated(signal):
    for axis in signal.axes_manager._get_axes_in_natural_order()[:2]:
        axis.scale, axis.units = 0.2, "um"
    return signal


def noise_of_a_camera():
    """Readout noise, the same in bright and dark places."""
    return 100 + 30 * np.random.default_rng(3).standard_normal((80, 70, 4))


@pytest.fixture(scope="module")
def maps():
    """Points of one of two spectra, blurred by two pixels; expected counts."""
    rng = np.random.default_rng(0)
    part = gaussian_filter((rng.random((80, 70)) < 0.03).astype(float), 2.0)
    part = np.clip(part / part.max(), 0, 1)[..., None]
    spectra = np.array([[9.0, 1, 5, 1], [1, 9, 1, 5]])
    return (1 - part) * spectra[0] + part * spectra[1]


@pytest.fixture(scope="module")
def counts(maps):
    data = np.random.default_rng(1).poisson(3 * maps)
    return calibrated(hs.signals.Signal1D(data))


@pytest.mark.parametrize("method", ["frc", "decorrelation"])
def test_maps_of_counts(counts, method):
    before = counts.data.copy()
    found = counts.estimate_resolution(method)
    np.testing.assert_array_equal(counts.data, before)
    assert found.method == method and found.units == "um"
    # Two pixels of 0.2 um are a width of 0.94 um.
    assert 0.6 < found.value < 1.6 and " um" in str(found)
    lazy = counts.as_lazy().estimate_resolution(method)
    assert lazy.value == pytest.approx(found.value, rel=0.02)


def test_two_measurements_are_better_than_one_dealt_out(counts, maps):
    again = calibrated(hs.signals.Signal1D(np.random.default_rng(2).poisson(3 * maps)))
    both = counts.estimate_resolution("frc", again)
    dealt = counts.estimate_resolution("frc")
    assert 0.5 < both.value < 1.1 * dealt.value


@pytest.mark.parametrize(
    ("gain", "offset"), [(2, 0), (10, 0), (3.7, 0), (1, 1000), (4, 100)]
)
@pytest.mark.parametrize("kind", ["image", "map of spectra"])
def test_gain_and_offset_of_counts_do_not_matter(kind, gain, offset):
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.random((128, 128)) < 0.02, 3.0, output=float)
    counts = rng.poisson(20 * image / image.mean())
    if kind == "map of spectra":
        both = image[..., None] * [[3.0] * 8 + [1.0] * 8] + 0.01
        counts = rng.poisson(20 * both / both.mean())
    make = hs.signals.Signal2D if counts.ndim == 2 else hs.signals.Signal1D
    expected = make(counts).estimate_resolution("frc", gain=1)
    found = make(np.round(gain * counts) + offset).estimate_resolution("frc")
    assert not found.is_bound
    # Another split of the counts changes it by this much.
    assert found.value == pytest.approx(expected.value, rel=0.12)


def test_edges_of_images_and_of_maps():
    image = np.zeros((60, 70))
    image[15:45, 18:52] = 3
    blurred = gaussian_filter(image, 1.5)
    s = calibrated(hs.signals.Signal2D(blurred))
    width = 0.2 * 1.5 * 2.355
    assert s.estimate_resolution(shape="gaussian").value == pytest.approx(
        width, rel=0.05
    )
    s = calibrated(hs.signals.Signal1D(blurred[..., None] * np.ones(3) + 1))
    bars = s.inav[:, 20:40].estimate_resolution(across=0, bar=True, shape="gaussian")
    assert bars.value == pytest.approx(width, rel=0.03)
    assert set(bars.lengths) == {"left", "right", "20-80 %", "10-90 %"}
    s.axes_manager[1].scale, s.axes_manager[1].name = 0.4, "y"
    lines = s.inav[20:50, :30].estimate_resolution(across="y", shape="gaussian")
    assert lines.value == pytest.approx(2 * width, rel=0.03)


def test_a_length_without_a_unit():
    s = hs.signals.Signal2D(gaussian_filter(np.eye(40) + np.eye(40)[::-1], 2.0))
    assert s.estimate_resolution("decorrelation").units == "(no unit)"


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda c: c, {"method": "psf"}, "method='psf' is unknown, expected one of"),
        (lambda c: c.inav[3], {}, "has 1 navigation and 1 signal axes, expected a map"),
        (
            lambda c: c,
            {"other": "half"},
            "'edge' does not take other=.*: frc",
        ),
        (lambda c: c, {"method": "frc", "other": "half"}, r"shapes \(70, 80, 4\) and"),
        (lambda c: c + noise_of_a_camera(), {"method": "frc"}, "not that of counts"),
        (lambda c: c * 0.3, {"method": "frc", "gain": 0.5}, "Only counts can be dealt"),
        (lambda c: c, {"method": "frc", "gain": 0}, "gain=0, expected the size"),
        (lambda c: c, {"shape": "erf"}, "shape='erf', expected one of"),
        (lambda c: c, {"bar": True}, "'edge' does not take bar=True, it takes shape"),
        (
            lambda c: c,
            {"method": "frc", "across": 0},
            "'frc' does not take across=0, it takes other, gain, random_state, thr",
        ),
        (
            lambda c: c,
            {"method": "decorrelation", "level": 0.9},
            "'decorrelation' does not take level=0.9, it takes no parameters",
        ),
        (lambda c: c, {"method": "profiles"}, "'profiles' needs across"),
        (lambda c: c, {"across": 2}, "across=2 is the axis .* expected one of the map"),
    ],
)
def test_bad_input(counts, make, options, message):
    if "other" in options:
        options = options | {"other": counts.inav[:35]}
    with pytest.raises(ValueError, match=message):
        make(counts).estimate_resolution(**options)


def test_a_misspelt_parameter_is_named(counts):
    with pytest.raises(TypeError, match="take treshold=0.5.* mean 'threshold'"):
        counts.estimate_resolution("frc", treshold=0.5)


def test_lines_across_an_edge_are_a_method_of_their_own(maps):
    s = calibrated(hs.signals.Signal1D(np.cumsum(maps, axis=1)))
    by_axis = s.estimate_resolution(across=0)
    by_name = s.estimate_resolution("profiles", across=0)
    np.testing.assert_equal(by_name.interval, by_axis.interval)


def test_maps_are_not_tapered_where_that_is_asked_for(counts):
    tapered, whole = (
        counts.estimate_resolution("frc", taper=taper) for taper in ("hann", None)
    )
    # Without a taper all values of a ring are independent.
    ratio = whole.curve["independent"] / tapered.curve["independent"]
    assert ratio.min() > 2


def mean_step(image, step, *, factor=1.0):
    """Measure for the test below."""
    return Resolution("mean_step", factor * np.mean(step))


def test_an_added_measure_is_known_by_its_name(counts, monkeypatch):
    entry = Measure(
        name="mean_step",
        target=f"{__name__}:mean_step",
        summary="mean of the steps",
        parameters={"factor": 1.0},
    )
    monkeypatch.setitem(MEASURES, "mean_step", entry)
    found = counts.estimate_resolution("mean_step", factor=3.0)
    assert found.value == pytest.approx(0.6) and found.units == "um"


@pytest.fixture(scope="module")
def resolved():
    frames = datasets.shifted_frames((18, 18), 5, n_channels=12)
    return sparsedecomp.super_resolve(
        frames, 2, n_factors=2, registration=False, method="gaussian_process"
    )


def test_super_resolution_says_before_and_after(resolved):
    before, after = resolved.super_resolution.resolution
    # A frame is limited by its step of 0.5 um.
    assert before.is_bound and before.value == pytest.approx(1.0, rel=0.1)
    assert after.value < 0.7 * before.value and after.units == "um"
    text = resolved.metadata.Super_resolution.resolution
    assert text[0].startswith("at most") and text[1] in str(resolved.super_resolution)


def test_a_map_too_small_to_measure_is_no_error(resolved):
    found = resolved.super_resolution
    small = found.factors._replace(maps=found.factors.maps[:, :7])
    before, after = replace(found, factors=small).resolution
    assert before.describe() == "not determined" and "at least 8" in before.note
    assert after.determined

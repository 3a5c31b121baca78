"""`s.segment_composition`: signals in, calibrated signals out."""

import numpy as np
import pytest

hs = pytest.importorskip("hyperspy.api")

NAVIGATION = (24, 30)
ENERGY = {"offset": 0.2, "scale": 0.05, "units": "keV", "name": "Energy"}
WINDOWS = {"O": (0.4, 0.65), "Fe": (6.2, 6.6)}


@pytest.fixture(scope="module")
def truth():
    """Two thirds of the pixels are phase 0."""
    labels = np.zeros(NAVIGATION, int)
    labels[:, 20:] = 1
    return labels


@pytest.fixture(scope="module")
def counts(truth):
    """O and Fe peaks over some background, 150 counts a pixel."""
    energy = 0.2 + 0.05 * np.arange(160)
    peaks = np.exp(-0.5 * ((energy - np.array([[0.525], [6.4]])) / 0.07) ** 2)
    spectra = np.array([[0.6, 0.4], [0.4, 0.6]]) @ peaks + 0.002
    mean = 150 * (spectra / spectra.sum(axis=1, keepdims=True))[truth]
    return np.random.default_rng(4).poisson(mean).astype(np.uint16)


@pytest.fixture
def image(counts):
    """Eager signal with units and a title."""
    s = hs.signals.Signal1D(counts.copy())
    for name, value in ENERGY.items():
        setattr(s.axes_manager[-1], name, value)
    for axis, name in zip(s.axes_manager.navigation_axes, "xy", strict=True):
        axis.name, axis.units, axis.scale = name, "nm", 2.0
    s.metadata.General.title = "oxides"
    s.metadata.set_item("Sample.elements", ["Fe", "O"])
    return s


def wrong(result, truth):
    """Share of the pixels with a label that are not of their phase."""
    labels = result.labels.data
    return np.mean(labels[labels >= 0] != truth[labels >= 0])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("method", ["mixture", "kmeans"])
@pytest.mark.parametrize("windows", [None, WINDOWS])
def test_phases_come_with_axes_and_metadata(image, truth, lazy, method, windows):
    before = image.data.copy()
    s = image.as_lazy() if lazy else image
    result = s.segment_composition(method=method, windows=windows, random_state=0)
    assert result.sizes.tolist() == np.bincount(result.labels.data.ravel()).tolist()
    assert len(result.sizes) == 2 and result.sizes[0] > result.sizes[1]
    assert wrong(result, truth) < (0.005 if method == "mixture" else 0.05)
    assert type(result.labels) is hs.signals.Signal2D
    assert result.labels.axes_manager[0].units == "nm"
    assert result.labels.axes_manager[0].scale == 2.0
    spectra = result.mean_spectra
    assert type(spectra) is hs.signals.Signal1D and spectra.data.shape == (2, 160)
    assert spectra.axes_manager[-1].offset == 0.2
    assert spectra.metadata.Sample.elements == ["Fe", "O"]
    assert spectra.metadata.General.title == "Mean spectra of clusters of oxides"
    for c in range(2):
        mean = image.data[result.labels.data == c].mean(axis=0)
        np.testing.assert_allclose(spectra.data[c], mean, rtol=1e-5)
    if method == "mixture":
        assert result.probabilities.data.shape == (2, *NAVIGATION)
        assert result.probabilities.axes_manager[-1].units == "nm"
        np.testing.assert_allclose(result.probabilities.data.sum(axis=0), 1)
    else:
        assert result.probabilities is None
    np.testing.assert_array_equal(image.data, before)


def test_ratios_with_their_errors(image, truth):
    result = image.segment_composition(2, windows=WINDOWS, random_state=0)
    inside = {
        name: (image.axes_manager[-1].axis >= low)
        & (image.axes_manager[-1].axis <= high)
        for name, (low, high) in WINDOWS.items()
    }
    iron, oxygen = (
        np.array(
            [
                image.data[result.labels.data == c][:, inside[name]].sum()
                for c in range(2)
            ]
        )
        for name in ("Fe", "O")
    )
    values, errors = result.ratio("Fe", "O")
    np.testing.assert_allclose(values, iron / oxygen)
    np.testing.assert_allclose(errors, values * np.sqrt(1 / iron + 1 / oxygen))
    np.testing.assert_allclose(result.composition.sum(axis=1), 1)
    share = oxygen / (iron + oxygen)
    np.testing.assert_allclose(result.composition[:, 0], share)
    np.testing.assert_allclose(
        result.composition_error[:, 0], np.sqrt(share * (1 - share) / (iron + oxygen))
    )
    assert result.names == ("O", "Fe")
    with pytest.raises(ValueError, match="no window 'Cu'. Expected one of 'O', 'Fe'"):
        result.ratio("Cu", "O")


def test_errors_are_the_spread_of_repeated_measurements():
    ratios, errors = [], []
    for seed in range(40):
        data = np.random.default_rng(seed).poisson([40.0, 0, 20], (12, 12, 3))
        result = hs.signals.Signal1D(data).segment_composition(
            1, windows={"a": (0, 0.5), "b": (1.5, 2)}
        )
        value, error = result.ratio("a", "b")
        ratios.append(value[0])
        errors.append(error[0])
    # The spread of 40 measurements is known to 11 %.
    assert np.std(ratios) == pytest.approx(np.mean(errors), rel=0.35)


@pytest.mark.parametrize("lazy", [False, True])
def test_masks_in_hyperspys_order(image, truth, lazy):
    navigation = np.zeros(NAVIGATION[::-1], bool)
    navigation[2:5, 7] = True
    channels = np.zeros(160, bool)
    channels[:2] = True
    image.data[7, 2:5] = 60000
    s = image.as_lazy() if lazy else image
    result = s.segment_composition(
        2, navigation_mask=navigation, signal_mask=channels, random_state=0
    )
    np.testing.assert_array_equal(result.labels.data == -1, navigation.T)
    assert np.isnan(result.probabilities.data[:, navigation.T]).all()
    np.testing.assert_array_equal(
        np.isnan(result.mean_spectra.data), np.tile(channels, (2, 1))
    )
    assert wrong(result, truth) < 0.005


def test_empty_pixels_have_no_phase(image):
    image.data[3, 4] = 0
    result = image.segment_composition(2, windows=WINDOWS, random_state=0)
    assert result.labels.data[3, 4] == -1
    assert result.sizes.sum() == np.prod(NAVIGATION) - 1


def test_loadings_of_a_decomposition(image, truth):
    image.decomposition(
        algorithm="nmf_so", output_dimension=2, print_info=False, random_state=0
    )
    result = image.segment_composition(
        2, method="kmeans", source="loadings", random_state=0
    )
    assert wrong(result, truth) < 0.1
    assert result.mean_spectra.data.shape == (2, 160) and result.names == ()
    with pytest.raises(ValueError, match="Loadings are not counts"):
        image.segment_composition(2, source="loadings")


@pytest.mark.parametrize("lazy", [False, True])
def test_loadings_of_a_masked_decomposition(image, lazy):
    masked = np.zeros(NAVIGATION, bool)
    masked[2, 3:6] = True
    image.change_dtype("float32")
    image.data[masked] = np.nan
    image = image.as_lazy() if lazy else image
    image.decomposition(
        algorithm="nmf_so",
        output_dimension=2,
        navigation_mask=masked.T,
        print_info=False,
    )
    also = np.zeros(NAVIGATION, bool)
    also[0, 0] = True
    for mask, without in ((None, masked), (also.T, masked | also)):
        result = image.segment_composition(
            2, "kmeans", "loadings", navigation_mask=mask, random_state=0
        )
        np.testing.assert_array_equal(result.labels.data == -1, without)
        assert np.isfinite(result.mean_spectra.data).all()


def test_names_of_x_ray_lines(image, truth):
    pytest.importorskip("exspy")
    image.set_signal_type("EDS_TEM")
    image.set_microscope_parameters(beam_energy=200, energy_resolution_MnKa=130)
    result = image.segment_composition(2, windows=["Fe_Ka", "O_Ka"], random_state=0)
    assert result.names == ("Fe_Ka", "O_Ka")
    assert wrong(result, truth) < 0.01
    ratio = result.ratio("Fe_Ka", "O_Ka")[0]
    assert ratio[1] / ratio[0] == pytest.approx((6 / 4) ** 2, rel=0.1)
    assert result.mean_spectra.metadata.Signal.signal_type == "EDS_TEM"


def test_line_scans(image):
    result = image.inav[:, 0].segment_composition(2, windows=WINDOWS, random_state=0)
    assert type(result.labels) is hs.signals.Signal1D
    assert (
        np.mean(result.labels.data[20:]) > 0.9 > 0.1 > np.mean(result.labels.data[:20])
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "dbscan"}, ValueError, "'mixture', 'kmeans', not 'dbscan'"),
        ({"source": "pixels"}, ValueError, "`source` must be one of"),
        ({"source": "windows"}, ValueError, "do not go together"),
        ({"source": "spectra", "windows": WINDOWS}, ValueError, "do not go together"),
        ({"windows": {"O": (0.4, 0.6)}}, ValueError, "1 windows .* at least 2"),
        (
            {"windows": WINDOWS | {"U": (13.5, 13.7)}},
            ValueError,
            "'U' from 13.5 to 13.7 holds no channel .* from 0.2 to 8.15 keV",
        ),
        ({"windows": ["Fe_Ka", "O_Ka"]}, ValueError, "is no EDS signal"),
        (
            {"couplings": 3},
            TypeError,
            "no parameter 'couplings'. Did you mean 'coupling'",
        ),
        ({"n_clusters": 721}, ValueError, "n_clusters = 721 .* 720 pixels"),
        (
            {"source": "loadings", "method": "kmeans"},
            RuntimeError,
            "call `s.decomposition` first",
        ),
        (
            {"windows": WINDOWS, "signal_mask": np.arange(160) < 20},
            ValueError,
            "no channel of the window 'O'",
        ),
    ],
)
def test_bad_arguments_are_refused(image, arguments, error, message):
    with pytest.raises(error, match=message):
        image.segment_composition(**arguments)


def test_bad_signals_are_refused(image):
    with pytest.raises(ValueError, match="0 navigation and 1 signal axes"):
        image.inav[0, 0].segment_composition(2)
    with pytest.raises(ValueError, match="0 navigation and 2 signal axes"):
        hs.signals.Signal2D(np.ones((4, 4))).segment_composition(2)
    image.change_dtype("float32")
    image.data[2, 3, 9] = np.nan
    with pytest.raises(ValueError, match=r"pixel \(2, 3\), channel 9"):
        image.segment_composition(2)

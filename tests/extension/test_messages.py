"""Messages for what users commonly mistype or pass: what was given, what to do."""

import dask.array as da
import h5py
import hyperspy.api as hs
import numpy as np
import pytest
from sklearn.decomposition import NMF

import sparsedecomp
from sparsedecomp._registration import METHODS_OF_TYPES
from sparsedecomp.decomposition import estimate_rank


@pytest.mark.parametrize("name", ["NMF-SO", "nmf so", "NmfSo", "nmf_so"])
def test_names_of_algorithms_in_other_spellings(signal, decompose, name):
    assert decompose(signal, name, max_iter=3, tol=1).decomposition_algorithm == (
        "nmf_so"
    )


def test_misspelt_algorithms_of_the_driver_and_of_hyperspy(signal):
    with pytest.raises(ValueError, match="Did you mean 'nmf_so_ard'"):
        sparsedecomp.decompose(signal, "nfm_so_ard")
    with pytest.raises(ValueError, match="Did you mean 'min_volume'"):
        signal.decomposition(algorithm="min-volum")
    with pytest.raises(ValueError, match="Did you mean 'tucker'"):
        signal.tensor_decomposition(2, "tuker")


def test_misspelt_choices_of_the_methods_of_a_signal(signal, decompose):
    with pytest.raises(ValueError, match="Did you mean 'kmeans'"):
        signal.segment_composition(2, "k-means")
    with pytest.raises(TypeError, match="Did you mean 'random_state'"):
        signal.segment_composition(2, "kmeans", random_stat=0)
    decompose(signal, max_iter=3, tol=1)
    with pytest.raises(ValueError, match="Did you mean 'stored'"):
        signal.get_component_maps("storde")


def test_arrays_in_the_place_of_signals(cube):
    message = "needs a HyperSpy signal, but numpy.ndarray was given.*Signal1D"
    with pytest.raises(TypeError, match=f"decompose {message}"):
        sparsedecomp.decompose(cube)
    with pytest.raises(TypeError, match=f"coupled_decomposition {message}"):
        sparsedecomp.coupled_decomposition([cube, cube], 2)
    with pytest.raises(TypeError, match=f"super_resolve {message}"):
        sparsedecomp.super_resolve([cube, cube], 2)


@pytest.mark.parametrize("algorithm", ["cpd", "tucker"])
def test_number_of_components_of_a_tensor_is_estimated_by_tensor_rank(
    signal, algorithm
):
    with pytest.raises(ValueError, match=r"s\.tensor_rank\(\)") as error:
        signal.decomposition(algorithm=algorithm)
    assert "nmf_so_ard" not in str(error.value)


@pytest.mark.parametrize("kind", [NMF, sparsedecomp.NMFSO])
@pytest.mark.parametrize("lazy", [False, True])
def test_estimator_classes(signal, kind, lazy):
    s = signal.as_lazy() if lazy else signal
    with pytest.raises(TypeError, match=rf"{kind.__name__} is a class.*instance"):
        s.decomposition(algorithm=kind)


def test_estimators_are_passed_to_the_method(signal):
    with pytest.raises(TypeError, match=r"s\.decomposition\(algorithm"):
        sparsedecomp.decompose(signal, sparsedecomp.NMFSO(2))


def test_methods_of_other_signal_types_name_the_type(signal):
    for signal_type, names in METHODS_OF_TYPES.items():
        converted = signal.deepcopy()
        converted.set_signal_type(signal_type)
        for name in names:
            assert callable(getattr(converted, name))
            assert callable(getattr(converted.as_lazy(), name))
            assert not hasattr(signal, name)
            with pytest.raises(AttributeError, match=f"set_signal_type..{signal_type}"):
                getattr(signal, name)


def test_methods_of_the_same_name_in_other_packages_are_found():
    class Mixin:
        def normalize(self):
            return "theirs"

    class Theirs(hs.signals.Signal1D, Mixin):
        _signal_type = "theirs"

    assert Theirs(np.ones((2, 3))).normalize() == "theirs"
    assert Theirs.normalize(None) == "theirs"


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_coupled_decomposition_has_a_progress_bar(signal, capsys):
    options = {"max_iter": 3, "n_init": 1, "random_state": 0}
    seen = []
    for show in (False, True):
        sparsedecomp.coupled_decomposition(
            [signal, signal],
            2,
            smooth=False,
            show_progressbar=show,
            callback=lambda progress: seen.append(progress.iteration),
            **options,
        )
        assert ("coupled_decomposition:" in capsys.readouterr().err) == show
    assert seen


@pytest.mark.filterwarnings("ignore:There is one mode")
@pytest.mark.parametrize("lazy", [False, True])
def test_masked_arrays_are_refused(signal, lazy):
    data = np.ma.array(signal.data)
    data[2, 3, 4] = np.ma.masked
    s = hs.signals.Signal1D(data)
    if lazy:
        s = s.as_lazy()
        # HyperSpy itself replaces masked entries by NaN.
        s.data = da.ma.masked_array(da.from_array(signal.data), mask=data.mask)
    message = "1 entries of the data are masked.*navigation_mask.*missing"
    for refuse in (
        lambda: s.decomposition(algorithm="nmf_so", output_dimension=2),
        lambda: s.tensor_decomposition(2),
        lambda: s.segment_composition(2),
        lambda: s.check_data(),
        lambda: s.estimate_rank(),
    ):
        with pytest.raises(ValueError, match=message):
            refuse()


def test_masked_arrays_of_estimators_frames_spectra_and_masks(signal):
    data = np.ma.array(signal.data)
    data[2, 3, 4] = np.ma.masked
    s = hs.signals.Signal1D(data)
    xas = hs.signals.Signal1D(data)
    xas.set_signal_type("XAS")
    mask = np.ma.array(np.zeros((8, 6), bool), mask=np.eye(8, 6, dtype=bool))
    for refuse in (
        lambda: sparsedecomp.NMFSO(2).fit(data.reshape(48, -1)),
        lambda: estimate_rank(data),
        lambda: sparsedecomp.super_resolve([s, s], 2, offsets=[(0, 0), (0.5, 0.5)]),
        lambda: xas.find_e0(),
        lambda: signal.estimate_rank(navigation_mask=mask),
    ):
        with pytest.raises(ValueError, match="entries of the data are masked"):
            refuse()


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_masked_arrays_without_masked_entries_are_plain_data(signal, decompose):
    masked = hs.signals.Signal1D(np.ma.array(signal.data))
    for s in (signal, masked):
        decompose(s, max_iter=3)
    np.testing.assert_array_equal(
        masked.learning_results.factors, signal.learning_results.factors
    )


def test_closed_hdf5_files(signal, tmp_path):
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        data = da.from_array(file.create_dataset("data", data=signal.data))
        s = hs.signals.Signal1D(data).as_lazy()
    for read in (
        lambda: s.decomposition(algorithm="nmf_so", output_dimension=2),
        lambda: s.estimate_rank(),
        lambda: s.segment_composition(2),
    ):
        with pytest.raises(OSError, match=r"file was closed.*hs\.load"):
            read()

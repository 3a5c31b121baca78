"""What the driver refuses, in which words, and that nothing happened before."""

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp


def with_dtype(signal, dtype):
    return signal._deepcopy_with_new_data(np.ones(signal.data.shape, dtype))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "dtype, advice",
    [("complex128", r"s\.real"), ("bool", "change_dtype"), ("O", "same number")],
)
def test_dtypes_that_are_no_real_numbers(signal, decompose, lazy, dtype, advice):
    s = with_dtype(signal, dtype)
    s = s.as_lazy() if lazy else s
    with pytest.raises(TypeError, match=f"dtype is '{np.dtype(dtype)}'.*{advice}"):
        decompose(s)
    assert s.learning_results.factors is None


def test_rgb_images(decompose):
    s = hs.signals.Signal1D(np.zeros((4, 5, 3), "uint8"))
    s.change_dtype("rgb8")
    with pytest.raises(TypeError, match="Split its colours"):
        decompose(s)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "kwargs, error, message",
    [
        ({"output_dimension": 0}, ValueError, "positive integer, got 0"),
        ({"output_dimension": -2}, ValueError, "positive integer, got -2"),
        ({"output_dimension": 2.0}, ValueError, "positive integer, not 2.0"),
        ({"output_dimension": True}, ValueError, "positive integer, not True"),
        (
            {"output_dimension": 31},
            ValueError,
            "is 31, but 48 pixels and 30 channels without mask allow at most 30",
        ),
        (
            {"output_dimension": None},
            ValueError,
            "`output_dimension` must be specified for 'nmf_so'",
        ),
        ({"reproject": "all"}, ValueError, "`reproject` must be None.*not 'all'"),
        ({"centre": "signal"}, ValueError, "`centre` must be None"),
        ({"auto_transpose": False}, ValueError, "belongs to the SVD"),
        ({"svd_solver": "full"}, ValueError, "belongs to the SVD"),
        ({"var_array": np.ones(3)}, ValueError, "belongs to MLPCA"),
        ({"var_func": len}, ValueError, "belongs to MLPCA"),
        ({"get": len}, ValueError, "dask.distributed.Client"),
        ({"num_chunks": 2}, ValueError, r"s\.rechunk"),
        ({"max_itr": 3}, TypeError, "'max_itr'. Did you mean 'max_iter'?"),
        ({"n_components": 3}, TypeError, "as `output_dimension`"),
        ({"xyz": 3}, TypeError, "no parameter 'xyz'. Its parameters are:.*max_iter"),
    ],
)
def test_arguments(signal, decompose, lazy, kwargs, error, message):
    s = signal.as_lazy() if lazy else signal
    with pytest.raises(error, match=message):
        decompose(s, **kwargs)
    assert s.learning_results.factors is None


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("copy", [True, False])
def test_copy_is_accepted_because_nothing_is_modified(signal, decompose, copy):
    assert decompose(signal, copy=copy, max_iter=3).factors is not None
    assert not hasattr(signal, "_data_before_treatments")


def test_more_components_than_the_masks_leave(signal, decompose, masks):
    with pytest.raises(ValueError, match="43 pixels and 26 channels.*at most 26"):
        decompose(
            signal,
            output_dimension=27,
            navigation_mask=masks[0].T,
            signal_mask=masks[1],
        )


def test_old_names_of_parameters_warn(signal, decompose):
    with pytest.warns(FutureWarning, match="MCRALS: normalisation is deprecated"):
        decompose(signal, "mcr_als", normalisation="max", max_iter=3)


def test_unknown_algorithm(signal):
    with pytest.raises(
        ValueError, match="'nmf' not recognised.*'nmf_so', 'nmf_so_ard'"
    ):
        sparsedecomp.decompose(signal, "nmf", 3)


@pytest.mark.parametrize("shape", [(1, 15), (15,)])
def test_a_single_spectrum(decompose, shape):
    with pytest.raises(ValueError, match="navigation_size < 2.*single spectrum"):
        decompose(hs.signals.Signal1D(np.ones(shape)))


def test_no_signal_axis(decompose):
    s = hs.signals.BaseSignal(np.ones((4, 5))).transpose(signal_axes=0)
    with pytest.raises(ValueError, match=r"no signal axis.*transpose\(signal_axes=1\)"):
        decompose(s)


@pytest.mark.parametrize("space", ["navigation", "signal"])
@pytest.mark.parametrize("poisson", [False, True])
def test_everything_masked(signal, decompose, space, poisson):
    shape = getattr(signal.axes_manager, f"{space}_shape")
    with pytest.raises(ValueError, match="All the data are masked, change the mask"):
        decompose(
            signal,
            normalize_poissonian_noise=poisson,
            **{f"{space}_mask": np.ones(shape, bool)},
        )


def test_one_pixel_left(signal, decompose):
    mask = np.ones((8, 6), bool)
    mask[3, 2] = False
    with pytest.raises(ValueError, match="leaves one pixel.*at least two"):
        decompose(signal, navigation_mask=mask)


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.zeros((6, 8), bool), r"has the shape \(6, 8\).*is \(8, 6\)"),
        (np.zeros(48, bool), r"has the shape \(48,\).*is \(8, 6\)"),
        (np.full((8, 6), 0.5), "float64 values other than 0 and 1.*booleans"),
        (hs.signals.Signal1D(np.zeros((6, 8), bool)), "1 signal axes.*`mask.T`"),
    ],
)
def test_navigation_masks(signal, decompose, mask, message):
    with pytest.raises(ValueError, match=f"The navigation mask.*{message}"):
        decompose(signal, navigation_mask=mask)


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.zeros(29, bool), r"has the shape \(29,\).*is \(30,\)"),
        (np.arange(30), "int64 values other than 0 and 1"),
        (
            hs.signals.BaseSignal(np.zeros((2, 30), bool)).transpose(signal_axes=1),
            "1 navigation axes",
        ),
    ],
)
def test_signal_masks(signal, decompose, mask, message):
    with pytest.raises(ValueError, match=f"The signal mask.*{message}"):
        decompose(signal, signal_mask=mask)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
@pytest.mark.parametrize("poisson", [False, True])
def test_bad_values_are_named_with_their_place(signal, decompose, lazy, bad, poisson):
    signal.data[4, 1, 17] = bad
    s = signal.as_lazy() if lazy else signal
    if bad == -1 and not poisson:
        # Least squares takes negative noise; weights of counts do not.
        decompose(s, normalize_poissonian_noise=False)
        assert np.isfinite(s.learning_results.factors).all()
        return
    with pytest.raises(ValueError, match=r"pixel \(4, 1\), channel 17"):
        decompose(s, normalize_poissonian_noise=poisson)
    assert s.learning_results.factors is None

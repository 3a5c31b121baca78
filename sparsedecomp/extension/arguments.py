"""Arguments of `decomposition`: which mean something here, and which are refused.

HyperSpy's signatures (eager and lazy differ) carry arguments of single algorithms.
Those are accepted at their default and refused otherwise: an argument that would be
ignored is a result the user did not ask for. All other names go to the estimator.
"""

import difflib
import inspect
import numbers

# Name -> (values without effect, what to do instead).
_FOREIGN = {
    "centre": (
        (None,),
        "`centre` must be None: the model is non-negative, centred data are not.",
    ),
    "auto_transpose": ((True,), "it belongs to the SVD."),
    "svd_solver": (("auto", "randomized"), "it belongs to the SVD."),
    "var_array": ((None,), "it belongs to MLPCA."),
    "var_func": ((None,), "it belongs to MLPCA."),
    "get": (
        (None,),
        "the scheduler is dask's current one: choose it with `dask.config.set` or by "
        "creating a `dask.distributed.Client`.",
    ),
    "num_chunks": (
        (None,),
        "the data are read in their own chunks: change these with `s.rechunk`.",
    ),
    # The data are never modified, so that there is nothing to copy.
    "copy": ((True, False), ""),
}
_CONVERSIONS = {
    "c": "Decompose a real part of it: `s.real`, `s.imaginary` or `s.amplitude`.",
    "b": "Convert it with `s.change_dtype('float32')`.",
    "O": "Give all pixels the same number of channels.",
    "V": "Split its colours with `s.change_dtype('uint8')`.",
}
REPROJECTIONS = (None, "navigation", "signal", "both")


def estimator_parameters(algorithm, given):
    """Return what goes to the estimator, after a look at everything that was given.

    Parameters
    ----------
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        The algorithm asked for.
    given : dict
        Keyword arguments that the driver itself has no use for.

    Returns
    -------
    dict
        Keyword arguments of the estimator class.

    Raises
    ------
    ValueError
        For an argument of HyperSpy's that has no meaning for this algorithm.
    TypeError
        For a name that neither HyperSpy nor the estimator knows.
    """
    known = [
        name
        for name in inspect.signature(algorithm.load()).parameters
        if name != "n_components"
    ]
    for name, value in given.items():
        if name in _FOREIGN:
            harmless, advice = _FOREIGN[name]
            if not _is_one_of(value, harmless):
                raise ValueError(
                    f"{name}={value!r} has no meaning for algorithm="
                    f"'{algorithm.name}': {advice}"
                )
        elif name not in known:
            raise TypeError(_unknown(algorithm, name, known))
    return {name: value for name, value in given.items() if name in known}


def _is_one_of(value, choices):
    # Arrays, which are compared by element, are none of the choices.
    return isinstance(value, str | bool | None) and value in choices


def _unknown(algorithm, name, known):
    if name == "n_components":
        hint = "Give the number of components as `output_dimension`."
    elif close := difflib.get_close_matches(name, known, n=1):
        hint = f"Did you mean '{close[0]}'?"
    else:
        hint = ""
    return (
        f"algorithm='{algorithm.name}' has no parameter '{name}'. {hint} "
        f"Its parameters are: {', '.join(known)}."
    ).replace("  ", " ")


def check_output_dimension(algorithm, value):
    """Refuse a number of components that is none.

    Parameters
    ----------
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        The algorithm asked for.
    value : object
        What was given as ``output_dimension``.

    Raises
    ------
    ValueError
        When it is not a positive integer, or missing where it is needed.
    """
    if value is None:
        if algorithm.needs_dimension:
            raise ValueError(
                f"`output_dimension` must be specified for '{algorithm.name}': give "
                "the number of components. 'nmf_so_ard' finds it by itself."
            )
    elif isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(
            f"`output_dimension` must be a positive integer, not {value!r}."
        )
    elif value < 1:
        raise ValueError(f"`output_dimension` must be a positive integer, got {value}.")


def check_reprojection(value):
    """Refuse a reprojection that does not exist.

    Parameters
    ----------
    value : object
        What was given as ``reproject``.

    Raises
    ------
    ValueError
        When it is none of None, "navigation", "signal" and "both".
    """
    if not _is_one_of(value, REPROJECTIONS):
        raise ValueError(
            "`reproject` must be None, 'navigation', 'signal' or 'both', "
            f"not {value!r}."
        )


def check_signal(signal, algorithm):
    """Refuse a signal that is no set of spectra (or images) of real numbers.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        What is to be decomposed.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        The algorithm asked for.

    Raises
    ------
    TypeError
        For data that are not real floating-point or integer numbers.
    ValueError
        For a signal without signal axes, or with fewer than two pixels.
    """
    dtype = signal.data.dtype
    if dtype.kind not in "fiu":
        raise TypeError(
            f"algorithm='{algorithm.name}' needs real floating-point or integer data, "
            f"but their dtype is '{dtype}'. {_CONVERSIONS.get(dtype.kind, '')} "
            "No decomposition was performed."
        )
    axes = signal.axes_manager
    if axes.signal_dimension == 0:
        raise ValueError(
            f"It is not possible to decompose {signal}: it has no signal axis. Choose "
            "it, for instance with `s.transpose(signal_axes=1)`."
        )
    if axes.navigation_size < 2:
        raise ValueError(
            f"It is not possible to decompose a dataset with navigation_size < 2: "
            f"{signal} holds a single spectrum or image. If an axis of it counts "
            "pixels, make it a navigation axis with `s.transpose(signal_axes=1)`."
        )


def check_shape(shape, output_dimension, signal):
    """Refuse what the pixels and channels left by the masks do not allow.

    Parameters
    ----------
    shape : tuple of int
        Pixels and channels that are not masked.
    output_dimension : int or None
        What was given as such.
    signal : hyperspy.api.signals.BaseSignal
        What is to be decomposed.

    Raises
    ------
    ValueError
        For a single pixel, or more components than pixels or channels.
    """
    n_pixels, n_channels = shape
    if n_pixels < 2:
        raise ValueError(
            f"The navigation mask leaves one pixel of {signal}, expected at least two: "
            "change the mask."
        )
    if output_dimension is not None and output_dimension > min(shape):
        raise ValueError(
            f"`output_dimension` is {output_dimension}, but {n_pixels} pixels and "
            f"{n_channels} channels without mask allow at most {min(shape)}."
        )

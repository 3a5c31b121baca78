"""Check of the arguments of `decomposition`.

HyperSpy's signatures, which differ between eager and lazy signals, contain arguments of
single algorithms. These are accepted at their default and refused otherwise, so that no
argument is ignored. All other names go to the estimator.
"""

from __future__ import annotations

import inspect
import numbers
from typing import Any

from ..suggestions import did_you_mean
from .algorithms import Algorithm
from .types import BaseSignal

# Name -> (values without effect, advice for the error message).
_FOREIGN: dict[str, tuple[tuple, str]] = {
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
    # The data are never modified: copying them or not makes no difference.
    "copy": ((True, False), ""),
}
_CONVERSIONS = {
    "c": "Decompose a real part of it: `s.real`, `s.imaginary` or `s.amplitude`.",
    "b": "Convert it with `s.change_dtype('float32')`.",
    "O": "Give all pixels the same number of channels.",
    "V": "Split its colours with `s.change_dtype('uint8')`.",
}
_TENSORS = ("cpd", "tucker", "parafac2")
_ADVICE_ON_NUMBER = {
    True: "`s.tensor_rank()` estimates it.",
    False: "`s.estimate_rank()` estimates it, 'nmf_so_ard' finds it by itself.",
}
REPROJECTIONS = (None, "navigation", "signal", "both")


def estimator_parameters(algorithm: Algorithm, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the estimator, after checking all that were given.

    Parameters
    ----------
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Algorithm that was chosen.
    given : dict
        Keyword arguments of `decompose` other than its own.

    Returns
    -------
    dict
        Keyword arguments of the estimator class.

    Raises
    ------
    ValueError
        If an argument of HyperSpy has no meaning for this algorithm.
    TypeError
        If neither HyperSpy nor the estimator has an argument of that name.
    """
    known = [
        name
        for name in inspect.signature(algorithm.load()).parameters
        if name != "n_components"
    ]
    # Old names of parameters, which the estimator translates with a warning.
    old = getattr(algorithm.load().__init__, "renamed_parameters", {})
    for name, value in given.items():
        if name in _FOREIGN:
            harmless, advice = _FOREIGN[name]
            if not _is_one_of(value, harmless):
                raise ValueError(
                    f"{name}={value!r} has no meaning for algorithm="
                    f"'{algorithm.name}': {advice}"
                )
        elif name not in known and name not in old:
            raise TypeError(_unknown(algorithm, name, known))
    return {name: value for name, value in given.items() if name in {*known, *old}}


def _is_one_of(value: object, choices: tuple) -> bool:
    # Arrays are compared element by element and are never one of the choices.
    return isinstance(value, str | bool | None) and value in choices


def _unknown(algorithm: Algorithm, name: str, known: list[str]) -> str:
    if name == "n_components":
        hint = " Give the number of components as `output_dimension`."
    else:
        hint = did_you_mean(name, known)
    return (
        f"algorithm='{algorithm.name}' has no parameter '{name}'.{hint} "
        f"Its parameters are: {', '.join(known)}."
    )


def check_output_dimension(algorithm: Algorithm, value: object) -> None:
    """Check the number of components.

    Parameters
    ----------
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Algorithm that was chosen.
    value : object
        Value of ``output_dimension``.

    Raises
    ------
    ValueError
        If it is not a positive integer, or missing where it is needed.
    """
    if value is None:
        if algorithm.needs_dimension:
            advice = _ADVICE_ON_NUMBER[algorithm.name in _TENSORS]
            raise ValueError(
                f"`output_dimension` must be specified for '{algorithm.name}': give "
                f"the number of components. {advice}"
            )
    elif isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(
            f"`output_dimension` must be a positive integer, not {value!r}."
        )
    elif value < 1:
        raise ValueError(f"`output_dimension` must be a positive integer, got {value}.")


def check_reprojection(value: object) -> None:
    """Check the choice of the reprojection.

    Parameters
    ----------
    value : object
        Value of ``reproject``.

    Raises
    ------
    ValueError
        If it is not None, "navigation", "signal" or "both".
    """
    if not _is_one_of(value, REPROJECTIONS):
        raise ValueError(
            "`reproject` must be None, 'navigation', 'signal' or 'both', "
            f"not {value!r}."
        )


def check_is_signal(signal: object, function: str) -> None:
    """Check that the data of a function are a HyperSpy signal.

    Parameters
    ----------
    signal : object
        What was given.
    function : str
        Name of the function, for the message.

    Raises
    ------
    TypeError
        If it is anything else, for instance an array.
    """
    if not hasattr(signal, "axes_manager"):
        kind = type(signal)
        raise TypeError(
            f"{function} needs a HyperSpy signal, but {kind.__module__}."
            f"{kind.__qualname__} was given. Make a signal of an array, for instance "
            "with `hyperspy.api.signals.Signal1D(array)`, or call an estimator of "
            "sparsedecomp on the array itself."
        )


def check_signal(signal: BaseSignal, algorithm: Algorithm) -> None:
    """Check that a signal is a set of spectra (or images) of real numbers.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to be decomposed.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Algorithm that was chosen.

    Raises
    ------
    TypeError
        If the data are not real floating-point or integer numbers.
    ValueError
        If there is no signal axis, or fewer than two pixels.
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


def check_shape(
    shape: tuple[int, int], output_dimension: int | None, signal: BaseSignal
) -> None:
    """Check that the pixels and channels left by the masks suffice.

    Parameters
    ----------
    shape : tuple of int
        Numbers of pixels and channels that are not masked.
    output_dimension : int or None
        Number of components, if it was given.
    signal : hyperspy.api.signals.BaseSignal
        Signal to be decomposed.

    Raises
    ------
    ValueError
        If there is one pixel, or more components than pixels or channels.
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

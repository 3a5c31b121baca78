"""Reading and writing HyperSpy's record of a decomposition, ``learning_results``.

No other module of this package accesses that attribute. HyperSpy is about to rename
the matrices of a decomposition (pull request 3669 of its repository): factors become
components, and loadings become scores. In that version the old names are properties
that only warn, so a value written under an old name into the instance dictionary would
never be read. Here the names of the installed HyperSpy are used.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import algorithms
from .types import BaseSignal

# Name in HyperSpy up to 2.5 -> name after its pull request 3669.
NEW_NAMES = {
    "factors": "components",
    "loadings": "scores",
    "bss_factors": "bss_components",
    "bss_loadings": "bss_scores",
}
SOURCES = {
    "decomposition": ("factors", "loadings"),
    "bss": ("bss_factors", "bss_loadings"),
}


def _attribute(results: Any, name: str) -> str:
    """Name under which the installed HyperSpy keeps an entry."""
    new = NEW_NAMES.get(name, name)
    return new if hasattr(results, new) else name


def read(signal: BaseSignal, name: str) -> Any:
    """Return one entry of the last decomposition of a signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that may have been decomposed.
    name : str
        Attribute of ``learning_results`` by its name in HyperSpy 2.5, such as
        "factors", or one that an algorithm of this package adds.

    Returns
    -------
    object
        The entry; None where there is none.
    """
    results = signal.learning_results
    return getattr(results, _attribute(results, name), None)


def matrices(
    signal: BaseSignal, source: str = "decomposition"
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return spectra and maps of a decomposed signal as matrices in memory.

    They are refused if the axes of the signal changed since, see `check_axes`.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that may have been decomposed.
    source : {"decomposition", "bss"}, default "decomposition"
        Results of ``decomposition`` or of ``blind_source_separation``.

    Returns
    -------
    tuple of (n_channels, k) array and (n_pixels, k) array, or None
        Factors and loadings, NaN where masked; None before that method was called.

    Raises
    ------
    RuntimeError
        If the pixels or channels are not those that were decomposed.
    """
    factors, loadings = (read(signal, name) for name in SOURCES[source])
    if factors is None or loadings is None:
        return None
    check_axes(signal)
    # Results that were loaded lazily from a file are dask arrays.
    return np.asarray(factors), np.asarray(loadings)


def read_into_memory(signal: BaseSignal) -> None:
    """Compute the matrices that a lazily loaded file holds, and keep them.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that may have been decomposed.
    """
    for name in (name for pair in SOURCES.values() for name in pair):
        value = read(signal, name)
        if hasattr(value, "dask"):
            target = signal.learning_results
            vars(target)[_attribute(target, name)] = value.compute()


def entries(signal: BaseSignal) -> set[str]:
    """Return the names of all entries that the last decomposition set.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that may have been decomposed.

    Returns
    -------
    set of str
        Attributes of ``learning_results`` that belong to this signal.
    """
    return set(vars(signal.learning_results))


def record_axes(signal: BaseSignal) -> None:
    """Record the axes of a signal that has just been decomposed, for `check_axes`.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with new results.
    """
    vars(signal.learning_results)["decomposed_axes"] = json.dumps(_axes_of(signal))


def check_axes(signal: BaseSignal) -> None:
    """Refuse results of pixels or channels that the signal no longer has.

    HyperSpy keeps the results when a signal is cropped in place or transposed. Numbers
    of pixels and channels are compared, and the order of the axes by their names and
    positions; axes may be calibrated or named after a decomposition. The exchange of
    two axes of equal size, name and positions is not noticed.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Decomposed signal.

    Raises
    ------
    RuntimeError
        If the pixels or channels are not those that were decomposed.
    """
    axes = signal.axes_manager
    sizes = len(read(signal, "loadings")), len(read(signal, "factors"))
    present = _axes_of(signal)
    recorded = json.loads(read(signal, "decomposed_axes") or "[]")
    # Names, and positions, of the axes now and when they were decomposed.
    columns = zip(zip(*present, strict=True), zip(*recorded, strict=True), strict=False)
    moved = (now != then and sorted(now) == sorted(then) for now, then in columns)
    if any(moved) or sizes != (axes.navigation_size, axes.signal_size):
        raise RuntimeError(
            f"The axes of {signal} changed since its decomposition into maps of "
            f"{sizes[0]} pixels and spectra of {sizes[1]} channels. Decompose it "
            "again, or crop and transpose the component maps and spectra instead."
        )


def _axes_of(signal: BaseSignal) -> list[list]:
    """Name and first and last position of each axis, in the order of the data."""
    return [
        [
            axis.name if isinstance(axis.name, str) else "",
            [float(axis.axis[0]), float(axis.axis[-1])],
        ]
        for axis in signal.axes_manager._axes
    ]


def share(source: BaseSignal, target: BaseSignal) -> None:
    """Set the results of one signal as those of another, without a copy.

    Parameters
    ----------
    source : hyperspy.api.signals.BaseSignal
        Decomposed signal.
    target : hyperspy.api.signals.BaseSignal
        Signal whose results are replaced.
    """
    target.learning_results = source.learning_results


def remove_extras(signal: BaseSignal) -> None:
    """Remove the entries that only algorithms of this package write.

    A decomposition by HyperSpy itself would keep these entries of an earlier fit.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that was decomposed by HyperSpy.
    """
    for name in (*algorithms.EXTRAS, "decomposed_axes"):
        vars(signal.learning_results).pop(name, None)


def store(signal: BaseSignal, **results: Any) -> None:
    """Write a decomposition into ``signal.learning_results`` in one step.

    Results of an earlier decomposition or source separation are removed; those of a
    clustering are kept, as by HyperSpy.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that was decomposed.
    **results : object
        ``decomposition_algorithm``, ``loadings``, ``factors`` (with NaN rows where
        masked), ``explained_variance``, ``navigation_mask``, ``signal_mask``,
        ``poissonian_noise_normalized`` and the extras of the algorithm.
    """
    variance = results["explained_variance"]
    k = results["factors"].shape[1]
    remove_extras(signal)
    complete = {
        "explained_variance_ratio": variance / variance.sum(),
        "number_significant_components": k,
        "output_dimension": k,
        "mean": None,
        "centre": None,
        "unfolded": False,
        "original_shape": None,
        "unmixing_matrix": None,
        "bss_algorithm": None,
        "bss_factors": None,
        "bss_loadings": None,
        **results,
    }
    target = signal.learning_results
    vars(target).update(
        {_attribute(target, name): value for name, value in complete.items()}
    )
    record_axes(signal)


def write(signal: BaseSignal, name: str, value: Any) -> None:
    """Set one entry of the last decomposition that is no matrix.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Decomposed signal.
    name : str
        Attribute of ``learning_results``.
    value : object
        Text, number or array, which files can hold.
    """
    vars(signal.learning_results)[name] = value


def copy_results(source: BaseSignal, target: BaseSignal) -> None:
    """Set a copy of the results of one signal as those of another.

    Parameters
    ----------
    source : hyperspy.api.signals.BaseSignal
        Decomposed signal.
    target : hyperspy.api.signals.BaseSignal
        Signal with the same axes; its results are replaced.

    Raises
    ------
    RuntimeError
        If the axes of the two differ; nothing is then changed.
    """
    before = target.learning_results
    target.learning_results = copy.deepcopy(source.learning_results)
    try:
        check_axes(target)
    except RuntimeError:
        target.learning_results = before
        raise


def energies(loadings: ArrayLike, factors: ArrayLike) -> np.ndarray:
    """Return the energy of each component: ``||w_k||^2 ||h_k||^2``.

    Parameters
    ----------
    loadings : (n_pixels, k) array
        Maps, one in each column.
    factors : (n_channels, k) array
        Spectra, one in each column.

    Returns
    -------
    (k,) float64 array
        Energies in squared units of the data.

    Examples
    --------
    >>> energies(np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]]))
    array([45.])
    """
    maps, spectra = (
        np.einsum("ij,ij->j", matrix, matrix, dtype=float)
        for matrix in (np.asarray(loadings), np.asarray(factors))
    )
    return maps * spectra


def expanded(rows: np.ndarray, kept: np.ndarray, size: int) -> np.ndarray:
    """Insert NaN rows at the positions that were masked.

    Parameters
    ----------
    rows : (n, k) array
        One row for each position that is not masked.
    kept : (n,) int array
        Flat index of these positions.
    size : int
        Number of all positions.

    Returns
    -------
    (size, k) array
        `rows` itself where nothing is masked.
    """
    if len(rows) == size:
        return rows
    everywhere = np.full((size, rows.shape[1]), np.nan, rows.dtype)
    everywhere[kept] = rows
    return everywhere


def extras_of(
    estimator: Any, algorithm: algorithms.Algorithm, order: np.ndarray
) -> dict[str, Any]:
    """Collect the further results of an estimator as plain arrays and numbers.

    Parameters
    ----------
    estimator : object
        Fitted estimator.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Algorithm with the names of the attributes to collect.
    order : (k,) int array
        Order in which the components are stored.

    Returns
    -------
    dict
        Entries for `store`; they survive both .npz and .hspy files.
    """
    single = {
        name: np.asarray(getattr(estimator, attribute))[order]
        for name, attribute in algorithm.per_component.items()
    }
    whole = {
        name: np.asarray(getattr(estimator, attribute))[()]
        for name, attribute in algorithm.extras.items()
    }
    # Older versions of h5py cannot write arrays without entries.
    return single | {name: value for name, value in whole.items() if np.size(value)}


def maps_of(
    estimator: Any,
    algorithm: algorithms.Algorithm,
    rows: np.ndarray,
    navigation_shape: tuple[int, ...],
) -> Mapping[str, np.ndarray]:
    """Collect the results of the estimator for every pixel, as maps.

    Parameters
    ----------
    estimator : object
        Fitted estimator.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Algorithm with the names of the attributes to collect.
    rows : (n,) int array
        Flat C-order index of the pixels that were fitted.
    navigation_shape : tuple of int
        Shape of the maps, in array order.

    Returns
    -------
    dict of str to array
        Entries for `store`, each of `navigation_shape`; NaN in masked pixels.
    """
    size = int(np.prod(navigation_shape))
    return {
        name: expanded(
            np.asarray(getattr(estimator, attribute), float)[:, None], rows, size
        ).reshape(navigation_shape)
        for name, attribute in algorithm.per_pixel.items()
    }

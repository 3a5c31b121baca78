"""Factors of every mode of a tensor decomposition as HyperSpy signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..blocks import BlockMatrix
from .components import spectra_like
from .tensor_results import TensorResults, axes_of
from .types import BaseSignal


def results_of(
    signal: BaseSignal,
    algorithm: str,
    estimator: Any,
    W: np.ndarray,
    blocks: BlockMatrix,
) -> TensorResults:
    """Make the signals of every mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The data.
    algorithm : str
        Name of the algorithm.
    estimator : CPD, Tucker or PARAFAC2
        Fitted estimator.
    W : (n_pixels, k) array
        Abundances.
    blocks : BlockMatrix
        The data without masked pixels and channels.

    Returns
    -------
    TensorResults
    """
    from ..decomposition.tensor.modes import Folding
    from .learning_results import expanded

    axes = signal.axes_manager
    names, factors = [], []
    observed = estimator._observed_rows
    folding = Folding.of(axes._navigation_shape_in_array, estimator.modes)
    for mode, factor, index in zip(
        estimator.modes, estimator.factors_, folding.indices(observed), strict=False
    ):
        names.append(name_of_mode(signal, mode))
        factors.append(
            signal_of_mode(signal, mode, names[-1], nan_without_data(factor, index))
        )
    k = estimator.n_components_
    core = getattr(estimator, "core_", None)
    weights = getattr(estimator, "weights_", None)
    spectra, evolving = estimator.factors_[-1], None
    if algorithm == "parafac2":
        weights = np.linalg.norm(estimator.components_, axis=1)
        spectra, W = estimator.components_.T / weights, W * weights
        (step,) = estimator.modes[estimator.series]
        evolving = _evolving_signal(
            signal, step, estimator.evolving_ / weights, blocks.columns
        )
    names.append(spectral_name(signal))
    factors.append(
        spectra_like(signal, expanded(spectra, blocks.columns, axes.signal_size))
    )
    if core is None:
        core = np.zeros((k,) * len(names))
        core[(np.arange(k),) * len(names)] = weights
    else:
        weights = np.linalg.norm(core.reshape(-1, k), axis=0)
    loadings = nan_without_data(
        expanded(W, blocks.rows, axes.navigation_size), observed
    )
    others = np.sort(getattr(estimator, "congruence_", np.ones(1)))[:-1]
    navigation = len(axes.navigation_axes)
    diagnostics = {
        "navigation_axes": axes_of(signal)[:navigation],
        "noise_model": estimator.noise_model_,
        "noise_variance": float(estimator.noise_variance_),
        "objective_history": estimator.objective_history_,
        "converged": bool(estimator.converged_),
        "passes": int(estimator.passes_),
        "seconds": float(estimator.seconds_),
    }
    if evolving is not None:
        diagnostics["series"] = step
    return TensorResults(
        algorithm=algorithm,
        names=tuple(names),
        factors=factors,
        weights=weights,
        core=core,
        loadings=loadings.reshape(*axes._navigation_shape_in_array, k),
        fit=100 * (1 - estimator.relative_residual_**2),
        core_consistency=float(getattr(estimator, "core_consistency_", np.nan)),
        congruence=float(others[-1]) if others.size else np.nan,
        diagnostics=diagnostics,
        evolving=evolving,
    )


def _evolving_signal(
    signal: BaseSignal, step: int, spectra: np.ndarray, columns: np.ndarray
) -> BaseSignal:
    """Spectra (n_steps, n_channels, k) as a signal: component, step, channels."""
    from .learning_results import expanded

    n_steps, _, k = spectra.shape
    axes = signal.axes_manager
    rows = spectra.transpose(1, 2, 0).reshape(-1, k * n_steps)
    flat = spectra_like(signal, expanded(rows, columns, axes.signal_size))
    series = axes._get_navigation_axes_dicts()[step]
    component = {"name": "Component", "size": k, "navigate": True}
    return type(flat)(
        flat.data.reshape(k, n_steps, *axes._signal_shape_in_array),
        axes=[component, series, *axes._get_signal_axes_dicts()],
        metadata=flat.metadata.as_dictionary(),
    )


def spectral_name(signal: BaseSignal) -> str:
    """Name of the mode of the channels.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The data.

    Returns
    -------
    str
    """
    return ", ".join(_text(a.name, "Signal") for a in signal.axes_manager.signal_axes)


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) and value else default


def name_of_mode(signal: BaseSignal, mode: Sequence[int]) -> str:
    """Names of the axes of a mode, in the order that HyperSpy shows.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with the axes.
    mode : sequence of int
        Indices of the axes in array order.

    Returns
    -------
    str
    """
    axes = signal.axes_manager.navigation_axes[::-1]
    names = [_text(axes[i].name, f"axis {i}") for i in mode]
    return ", ".join(names[::-1])


def nan_without_data(factor: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Replace rows without data by NaN.

    A measured row of zeros has data: its values stay zero.

    Parameters
    ----------
    factor : (n, k) array
        Factor or loadings.
    observed : int array
        Indices of the rows that have data; they may repeat.

    Returns
    -------
    (n, k) array
    """
    empty = np.ones(len(factor), bool)
    empty[observed] = False
    return np.where(empty[:, None], np.nan, factor)


def signal_of_mode(
    signal: BaseSignal, mode: Sequence[int], name: str, factor: np.ndarray
) -> BaseSignal:
    """Make a signal of a factor, with the axes of its mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The data.
    mode : sequence of int
        Indices of the axes in array order.
    name : str
        Name of the mode.
    factor : (n, k) array
        Factor of the mode.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
    """
    from hyperspy.api import signals

    described = signal.axes_manager._get_navigation_axes_dicts()
    axes = [dict(described[i], navigate=False) for i in mode]
    kinds = {1: signals.Signal1D, 2: signals.Signal2D}
    component = {"name": "Component", "size": factor.shape[1], "navigate": True}
    made = kinds.get(len(axes), signals.BaseSignal)(
        factor.T.reshape(-1, *(axis["size"] for axis in axes)), axes=[component, *axes]
    )
    title = signal.metadata.get_item("General.title", "")
    made.metadata.General.title = f"{name} of {title}"
    return made

"""`coupled_decomposition` of signals that were measured together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks import BlockMatrix
from ..progress import progress_bar
from .arguments import check_is_signal, check_signal
from .masks import in_array_order
from .tensor_modes import Modes, modes_of
from .tensor_results import TensorResults
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..decomposition.tensor.coupled import Coupled

_NAME = "coupled_decomposition"


def coupled_decomposition(
    signals: Sequence[BaseSignal],
    output_dimension: int,
    shared: str | Sequence[str] = "navigation",
    *,
    modes: Sequence | None = None,
    smooth: bool = True,
    navigation_mask: Mask | Sequence[Mask | None] | None = None,
    signal_mask: Sequence[Mask | None] | None = None,
    show_progressbar: bool | None = None,
    **parameters: Any,
) -> list[TensorResults]:
    """Decompose several signals at once that share their maps, or another mode.

    EDX and EELS of one scan have the same maps, which both together determine better
    than either alone. Counts of all signals have a common likelihood, so that no weight
    between them has to be chosen; other data are divided by their noise. The data are
    read in their own chunks and never changed.

    Parameters
    ----------
    signals : sequence of hyperspy.api.signals.BaseSignal
        Two or more signals. The likelihood is used if all of them are counts.
    output_dimension : int
        Number of components, the same in all signals.
    shared : {"navigation", "signal"} or sequence of str, default "navigation"
        Modes that the signals have in common: all navigation axes (maps), the signal
        axes (spectra), or the modes of these names, for instance ``["x, y"]`` for a
        tilt series beside a single scan.
    modes : sequence of sequences, optional
        Navigation axes of the modes of each signal, as in ``s.tensor_decomposition``.
    smooth : bool, default True
        Whether to smooth shared maps after the fit, which lowers the noise of maps of
        few counts. The strength is the one that predicts best, zero where smoothing
        does not help; it is in ``diagnostics["smoothness"]``.
    navigation_mask : array or BaseSignal, or a sequence of one for each, optional
        True for pixels that are left out, in the order of ``axes_manager``. A single
        mask holds for all signals. The abundances of a pixel that any signal has are
        determined.
    signal_mask : sequence of arrays, signals or None, optional
        Masks of the signals: True for channels that are left out.
    show_progressbar : bool, optional
        Whether to show a progress bar. Default: HyperSpy's preference.
    **parameters : object
        ``noise``, ``n_init``, ``max_iter``, ``tol``, ``random_state``, ``callback`` of
        `sparsedecomp.decomposition.fit_coupled`.

    Returns
    -------
    list of TensorResults
        Results of each signal, with equal factors in the shared modes.

    Raises
    ------
    ValueError
        If shared modes have different shapes, or nothing or everything is shared.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> from sparsedecomp import coupled_decomposition
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.3, 0.3], 48)
    >>> edx, eels = (
    ...     hs.signals.Signal1D((maps @ rng.random((2, n))).reshape(6, 8, n))
    ...     for n in (30, 50)
    ... )
    >>> one, other = coupled_decomposition([edx, eels], 2, random_state=0)
    >>> bool(np.all(one.factors[0].data == other.factors[0].data))
    True
    """
    from ..decomposition.tensor.coupled import fit_coupled
    from .algorithms import Algorithm
    from .driver import blocks_of
    from .tensor_signals import name_of_mode

    if len(signals) < 2:
        raise ValueError(
            f"{len(signals)} signal was given, expected two or more. A single one is "
            "decomposed by `s.tensor_decomposition` or `s.decomposition`."
        )
    label = Algorithm(_NAME, "", "", True, {}, {})
    for signal in signals:
        check_is_signal(signal, _NAME)
        check_signal(signal, label)
    given = [None] * len(signals) if modes is None else modes
    modes = [_modes(s, m) for s, m in zip(signals, given, strict=True)]
    names = [
        [name_of_mode(s, m) for m in each]
        for s, each in zip(signals, modes, strict=True)
    ]
    labels = _labels(signals, names, shared)
    tensors = [
        blocks_of(s, navigation_mask=pixels, signal_mask=channels)
        for s, pixels, channels in zip(
            signals,
            _masks(signals, navigation_mask, "navigation"),
            _masks(signals, signal_mask, "signal"),
            strict=True,
        )
    ]
    callback = parameters.pop("callback", None)
    with progress_bar(show_progressbar, _NAME, callback) as report:
        fit = fit_coupled(
            tensors,
            labels,
            output_dimension,
            modes=modes,
            grids=_planes(signals, modes, labels) if smooth else None,
            callback=report,
            **parameters,
        )
    return _results(signals, tensors, modes, names, labels, fit)


def _masks(
    signals: Sequence[BaseSignal], masks: Any, space: str
) -> list[np.ndarray | None]:
    """One mask for each signal, in array order."""
    if space == "navigation" and not isinstance(masks, list | tuple):
        masks = [masks] * len(signals)
    masks = [None] * len(signals) if masks is None else masks
    if not isinstance(masks, list | tuple) or len(masks) != len(signals):
        raise ValueError(
            f"{space}_mask has to be a sequence of {len(signals)} masks (or None), one "
            "for each signal."
        )
    return [in_array_order(s, m, space) for s, m in zip(signals, masks, strict=True)]


def _planes(
    signals: Sequence[BaseSignal], modes: list[Modes], labels: list[list[str]]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the images that signals share, by the label of their mode."""
    everywhere = [label for own in labels for label in own]
    planes: dict[str, tuple[int, ...]] = {}
    for signal, each, own in zip(signals, modes, labels, strict=True):
        shape = signal.axes_manager._navigation_shape_in_array
        for mode, label in zip(each, own[:-1], strict=True):
            if len(mode) == 2 and everywhere.count(label) > 1:
                planes[label] = tuple(shape[axis] for axis in mode)
    return planes


def _modes(signal: BaseSignal, modes: Sequence | None) -> Modes:
    # Coupled matrices are unique, unlike a single one.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is one mode")
        return modes_of(signal, modes)


def _labels(
    signals: Sequence[BaseSignal],
    names: list[list[str]],
    shared: str | Sequence[str],
) -> list[list[str]]:
    """A label for every mode; those with the same label share a factor."""
    everywhere = {name for each in names for name in each}
    if shared == "navigation":
        shapes = {s.axes_manager.navigation_shape for s in signals}
        if len(shapes) > 1:
            raise ValueError(
                "The signals have the navigation shapes "
                f"{', '.join(str(s.axes_manager.navigation_shape) for s in signals)}: "
                "to share their maps they must have the same. Rebin or crop them, or "
                "name the modes that they do share as `shared`."
            )
        return [
            [*(f"mode {m}" for m in range(len(each))), f"channels {i}"]
            for i, each in enumerate(names)
        ]
    if shared == "signal":
        return [
            [*(f"{name} of {i}" for name in each), "channels"]
            for i, each in enumerate(names)
        ]
    unknown = set(shared) - everywhere
    if isinstance(shared, str) or unknown or not shared:
        raise ValueError(
            f"shared={shared!r}: expected 'navigation', 'signal' or names of modes "
            f"among {sorted(everywhere)}."
        )
    return [
        [
            *(name if name in shared else f"{name} of {i}" for name in each),
            f"channels {i}",
        ]
        for i, each in enumerate(names)
    ]


def _results(
    signals: Sequence[BaseSignal],
    tensors: list[BlockMatrix],
    modes: list[Modes],
    names: list[list[str]],
    labels: list[list[str]],
    fit: Coupled,
) -> list[TensorResults]:
    from ..decomposition.tensor.modes import Folding
    from .components import spectra_like
    from .learning_results import expanded
    from .tensor_results import TensorResults, axes_of
    from .tensor_signals import nan_without_data, signal_of_mode, spectral_name

    order = np.argsort(-(fit.weights / fit.weights.sum(axis=1)[:, None]).sum(axis=0))
    # A mode that signals share has data where one of them has.
    seen: dict[str, list[np.ndarray]] = {}
    for i, signal in enumerate(signals):
        shape = signal.axes_manager._navigation_shape_in_array
        indices = Folding.of(shape, modes[i]).indices(tensors[i].rows)
        for label, index in zip(labels[i], indices, strict=False):
            seen.setdefault(label, []).append(index)
    made = []
    for i, signal in enumerate(signals):
        axes = signal.axes_manager
        units, weights = [], fit.weights[i, order]
        for label in labels[i]:
            factor = fit.factors[label][:, order]
            norm = np.linalg.norm(factor, axis=0)
            unit = factor / np.where(norm > 0, norm, 1.0)
            if label in seen:
                unit = nan_without_data(unit, np.concatenate(seen[label]))
            units.append(unit)
            weights = weights * norm
        shape = axes._navigation_shape_in_array
        folding = Folding.of(shape, modes[i])
        indices = folding.indices(np.arange(int(np.prod(shape))))
        loadings = weights.copy()
        for unit, index in zip(units[:-1], indices, strict=True):
            loadings = loadings * unit[index]
        spectra = expanded(units[-1], tensors[i].columns, axes.signal_size)
        core = np.zeros((len(order),) * len(units))
        core[(np.arange(len(order)),) * len(units)] = weights
        factors = [
            signal_of_mode(signal, mode, name, unit)
            for mode, name, unit in zip(modes[i], names[i], units, strict=False)
        ]
        made.append(
            TensorResults(
                algorithm=_NAME,
                names=(*names[i], spectral_name(signal)),
                factors=[*factors, spectra_like(signal, spectra)],
                weights=weights,
                core=core,
                loadings=loadings.reshape(*shape, -1),
                fit=np.nan,
                core_consistency=np.nan,
                congruence=np.nan,
                diagnostics={
                    "navigation_axes": axes_of(signal)[: len(shape)],
                    "objective_history": fit.nats if fit.likelihood else fit.history,
                    "converged": fit.converged,
                    "likelihood": fit.likelihood,
                    "passes": fit.passes,
                    "smoothness": fit.smoothness,
                },
            )
        )
    return made

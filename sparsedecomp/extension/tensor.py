"""``s.tensor_decomposition``: factors of every mode of a series of spectrum images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks import BlockMatrix
from ..progress import progress_bar, with_progress_bar
from ..suggestions import did_you_mean
from . import algorithms
from .arguments import check_output_dimension, check_signal, estimator_parameters
from .components import spectra_like
from .masks import in_array_order
from .tensor_modes import modes_of, series_of
from .tensor_results import TensorResults, axes_of
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..decomposition.tensor import RankReport

ALGORITHMS = {name: algorithms.ALGORITHMS[name] for name in ("cpd", "tucker")}
# Not an algorithm of `s.decomposition`, as every step has its own spectra.
ALGORITHMS["parafac2"] = algorithms.Algorithm(
    name="parafac2",
    target="sparsedecomp.decomposition:PARAFAC2",
    summary="parallel factors whose spectra may shift along a series",
    needs_dimension=True,
    per_component={},
    extras={},
)


def tensor_decomposition(
    self,
    output_dimension: int,
    algorithm: str = "cpd",
    modes: Sequence | None = None,
    *,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    missing: np.ndarray | BaseSignal | None = None,
    show_progressbar: bool | None = None,
    **parameters: Any,
) -> TensorResults:
    """Decompose a signal with three or more modes, such as a tilt or time series.

    Every component has one vector for each mode: a map, a spectrum, and a profile
    along every other navigation axis. The data are read three times, lazy data in
    their own chunks, and never changed. ``s.decomposition(algorithm="cpd")`` fits the
    same model and keeps maps and spectra; here every mode becomes a signal.

    Parameters
    ----------
    output_dimension : int
        Number of components; for "tucker" the rank of the channels.
    algorithm : {"cpd", "tucker", "parafac2"}, default "cpd"
        Model: `sparsedecomp.CPD`, `sparsedecomp.Tucker` or `sparsedecomp.PARAFAC2`. The
        last is for peaks that move along a series: its results have the spectra of
        every step in ``results.evolving`` and their mean in ``results.spectra``.
    modes : sequence, optional
        Names (or axes, or indices) of the navigation axes of each mode, those that
        share one as a tuple: ``["tilt", ("x", "y")]``. Default: the plane of pixels
        is one mode, every other navigation axis one of its own.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where data are left out, in the order of ``axes_manager``. Masked data have
        no weight in the fit.
    missing : bool array or BaseSignal, optional
        True for single entries that are left out, in the shape of ``s.data``, for "cpd"
        alone. Entries that are NaN are left out too; ``gaps=True`` leaves out these
        alone.
    show_progressbar : bool, optional
        Whether to show a progress bar. Default: HyperSpy's preference.
    **parameters : object
        Parameters of the estimator, e.g. ``random_state=0``, ``n_init=20``,
        ``noise="poisson"``. ``series`` of "parafac2" is the name of the axis along
        which spectra change; default: the one that is not in the plane of pixels.

    Returns
    -------
    TensorResults
        Factors of all modes as signals, and diagnostics.

    Raises
    ------
    TypeError
        For unknown parameters and data that are not real numbers.
    ValueError
        For modes that are not the navigation axes, more components than the modes
        allow, positions without any data, and NaN or infinity in the data.

    See Also
    --------
    tensor_rank : estimates the number of components.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.random((n, 2)) for n in (5, 12, 20))
    >>> X = np.einsum("ir,jr,er->ije", A, B, C).reshape(5, 3, 4, 20)
    >>> s = hs.signals.Signal1D(X)
    >>> for axis, name in zip(s.axes_manager.navigation_axes, ["x", "y", "tilt"]):
    ...     axis.name = name
    >>> results = s.tensor_decomposition(2, show_progressbar=False, random_state=0)
    >>> results.names
    ('x, y', 'tilt', 'Signal')
    >>> results["x, y"]
    <Signal2D, title: x, y of , dimensions: (2|4, 3)>
    """
    # Importing HyperSpy must not load the solvers.
    from .driver import blocks_of

    choice = _choice(algorithm)
    check_output_dimension(choice, output_dimension)
    if missing is not None:
        parameters = {**parameters, "gaps": True}
    parameters = estimator_parameters(choice, parameters)
    check_signal(self, choice)
    modes = modes_of(self, modes)
    if choice.name == "parafac2":
        series = series_of(self, modes, parameters.get("series"))
        parameters = {**parameters, "series": series}
    masks = {
        "navigation_mask": in_array_order(self, navigation_mask, "navigation"),
        "signal_mask": in_array_order(self, signal_mask, "signal"),
    }
    blocks = blocks_of(with_gaps(self, missing), **masks)
    estimator = choice.load()(n_components=output_dimension, modes=modes, **parameters)
    callback = estimator.callback
    with progress_bar(show_progressbar, choice.name, callback) as report:
        estimator.callback = report
        W = estimator.fit_transform(blocks)
    estimator.callback = callback
    return results_of(self, choice.name, estimator, W, blocks)


@with_progress_bar
def tensor_rank(
    self,
    max_rank: int = 8,
    modes: Sequence | None = None,
    *,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    **parameters: Any,
) -> RankReport:
    """Estimate the number of components of a tensor decomposition.

    Parameters
    ----------
    max_rank : int, default 8
        Largest number of components that is tried.
    modes : sequence, optional
        Navigation axes of each mode, as in ``s.tensor_decomposition``.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where data are left out, in the order of ``axes_manager``.
    **parameters : object
        ``nonnegative``, ``noise``, ``n_init``, ``random_state`` of
        `sparsedecomp.decomposition.tensor_rank`.

    Returns
    -------
    RankReport
        Diagnostics, which it shows when printed. ``recommended`` is None if they do
        not agree.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.random((n, 2)) for n in (6, 20, 30))
    >>> X = np.einsum("ir,jr,er->ije", A, B, C) + rng.normal(0, 0.01, (6, 20, 30))
    >>> hs.signals.Signal1D(X).tensor_rank(3, modes=[0, 1], random_state=0).recommended
    2
    """
    from ..decomposition.tensor import tensor_rank as rank_of_blocks
    from .driver import blocks_of

    blocks = blocks_of(
        self,
        navigation_mask=in_array_order(self, navigation_mask, "navigation"),
        signal_mask=in_array_order(self, signal_mask, "signal"),
    )
    return rank_of_blocks(blocks, max_rank, modes=modes_of(self, modes), **parameters)


def with_gaps(
    signal: BaseSignal, missing: np.ndarray | BaseSignal | None
) -> BaseSignal:
    """Return a lazy signal with NaN in the place of missing entries.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The data, which are not changed.
    missing : None, array or BaseSignal
        True for missing entries, in the shape of the data.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The signal itself if `missing` is None.

    Raises
    ------
    ValueError
        If `missing` has another shape than the data.
    """
    if missing is None:
        return signal
    import dask.array as da

    missing = missing.data if hasattr(missing, "axes_manager") else missing
    if missing.shape != signal.data.shape:
        raise ValueError(
            f"missing has the shape {missing.shape}, but the data of {signal} have "
            f"{signal.data.shape}: give one value for every entry. Whole pixels are "
            "left out with `navigation_mask`, channels with `signal_mask`."
        )
    data = signal.data if signal._lazy else da.from_array(signal.data)
    gaps = da.asarray(missing).rechunk(data.chunks).astype(bool)
    dtype = np.float64 if data.dtype == np.float64 else np.float32
    return signal._deepcopy_with_new_data(
        da.where(gaps, dtype(np.nan), data.astype(dtype))
    )


def _choice(algorithm: str) -> algorithms.Algorithm:
    choice = ALGORITHMS.get(str(algorithm).lower())
    if choice is None:
        raise ValueError(
            f"algorithm={algorithm!r} is not a tensor decomposition."
            f"{did_you_mean(algorithm, ALGORITHMS)} Expected one of: "
            f"{', '.join(map(repr, ALGORITHMS))}."
        )
    return choice


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

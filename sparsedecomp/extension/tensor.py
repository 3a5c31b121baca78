"""``s.tensor_decomposition``: factors of every mode of a series of spectrum images."""

import numpy as np

from . import algorithms
from .arguments import check_output_dimension, check_signal, estimator_parameters
from .components import spectra_like
from .masks import in_array_order
from .progress import progress_bar
from .tensor_modes import modes_of
from .tensor_results import TensorResults, _axes_of

ALGORITHMS = ("cpd", "tucker")


def tensor_decomposition(
    self,
    output_dimension,
    algorithm="cpd",
    modes=None,
    *,
    navigation_mask=None,
    signal_mask=None,
    show_progressbar=None,
    **parameters,
):
    """Decompose a signal with three or more modes, such as a tilt or time series.

    Every component has one vector for each mode: a map, a spectrum, and a profile
    along every other navigation axis. The data are only read, lazy data in their own
    chunks, three times. ``s.decomposition(algorithm="cpd")`` finds the same, but knows
    maps and spectra only; here every mode becomes a signal.

    Parameters
    ----------
    output_dimension : int
        Number of components; for "tucker" the rank of the channels.
    algorithm : {"cpd", "tucker"}, default "cpd"
        See `sparsedecomp.CPD` and `sparsedecomp.Tucker`.
    modes : sequence, optional
        Names (or axes, or indices) of the navigation axes of each mode, those that
        share one as a tuple: ``["tilt", ("x", "y")]``. Default: the plane of pixels
        is one mode, every other navigation axis one of its own.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where data are left out, in the order of ``axes_manager``; the missing
        entries are no zeros, the model is fitted to all others.
    show_progressbar : bool, optional
        Default: HyperSpy's preference.
    **parameters : object
        Of the estimator, e.g. ``random_state=0``, ``n_init=20``, ``noise="poisson"``.

    Returns
    -------
    TensorResults

    Raises
    ------
    TypeError
        For unknown parameters and data that are not real numbers.
    ValueError
        For modes that are not the navigation axes, more components than the modes
        allow, positions of which everything is masked, and bad values in the data.

    See Also
    --------
    tensor_rank : how many components there are.

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
    # Loads what importing HyperSpy must not wait for.
    from .driver import blocks_of

    choice = _choice(algorithm)
    check_output_dimension(choice, output_dimension)
    parameters = estimator_parameters(choice, parameters)
    check_signal(self, choice)
    modes = modes_of(self, modes)
    masks = {
        "navigation_mask": in_array_order(self, navigation_mask, "navigation"),
        "signal_mask": in_array_order(self, signal_mask, "signal"),
    }
    blocks = blocks_of(self, **masks)
    estimator = choice.load()(n_components=output_dimension, modes=modes, **parameters)
    callback = estimator.callback
    with progress_bar(show_progressbar, choice.name, callback) as report:
        estimator.callback = report
        W = estimator.fit_transform(blocks)
    estimator.callback = callback
    return results_of(self, choice.name, estimator, W, blocks)


def tensor_rank(
    self,
    max_rank=8,
    modes=None,
    *,
    navigation_mask=None,
    signal_mask=None,
    **parameters,
):
    """Ask a signal for the number of components of a tensor decomposition.

    Parameters
    ----------
    max_rank : int, default 8
        The largest number that is tried.
    modes : sequence, optional
        As in ``s.tensor_decomposition``.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where data are left out.
    **parameters : object
        ``nonnegative``, ``noise``, ``n_init``, ``random_state``, see
        `sparsedecomp.decomposition.tensor_rank`.

    Returns
    -------
    RankReport
        ``recommended`` is None where the diagnostics do not agree; print it to see
        them.

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
    from ..decomposition.tensor.rank import tensor_rank as of_blocks
    from .driver import blocks_of

    blocks = blocks_of(
        self,
        navigation_mask=in_array_order(self, navigation_mask, "navigation"),
        signal_mask=in_array_order(self, signal_mask, "signal"),
    )
    return of_blocks(blocks, max_rank, modes=modes_of(self, modes), **parameters)


def _choice(algorithm):
    choice = algorithms.find(algorithm)
    if choice is None or choice.name not in ALGORITHMS:
        raise ValueError(
            f"algorithm={algorithm!r} is no tensor decomposition. Expected one of: "
            f"{', '.join(map(repr, ALGORITHMS))}."
        )
    return choice


def results_of(signal, algorithm, estimator, W, blocks):
    """Make the signals of every mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    algorithm : str
    estimator : CPD or Tucker
        Fitted.
    W : (n_pixels, k) array
    blocks : BlockMatrix
        What it was fitted to.
    """
    from .results import expanded

    axes = signal.axes_manager
    names, factors = [], []
    for mode, factor in zip(estimator.modes, estimator.factors_[:-1], strict=True):
        names.append(_name_of(signal, mode))
        factors.append(_mode_signal(signal, mode, names[-1], _with_gaps(factor)))
    spectra = expanded(estimator.factors_[-1], blocks.columns, axes.signal_size)
    names.append(spectral_name(signal))
    factors.append(spectra_like(signal, spectra))
    k = estimator.n_components_
    core = getattr(estimator, "core_", None)
    weights = getattr(estimator, "weights_", None)
    if core is None:
        core = np.zeros((k,) * len(names))
        core[(np.arange(k),) * len(names)] = weights
    else:
        weights = np.linalg.norm(core.reshape(-1, k), axis=0)
    loadings = expanded(W, blocks.rows, axes.navigation_size)
    others = np.sort(getattr(estimator, "congruence_", np.ones(1)))[:-1]
    navigation = len(axes.navigation_axes)
    diagnostics = {
        "navigation_axes": _axes_of(signal)[:navigation],
        "noise_model": estimator.noise_model_,
        "noise_variance": float(estimator.noise_variance_),
        "objective_history": estimator.objective_history_,
        "converged": bool(estimator.converged_),
        "passes": int(estimator.passes_),
        "seconds": float(estimator.seconds_),
    }
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
    )


def spectral_name(signal):
    """Name of the mode of the channels.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal

    Returns
    -------
    str
    """
    return ", ".join(_text(a.name, "Signal") for a in signal.axes_manager.signal_axes)


def _text(value, default):
    return value if isinstance(value, str) and value else default


def _name_of(signal, mode):
    """Names of the axes of a mode, in the order that HyperSpy shows."""
    axes = signal.axes_manager.navigation_axes[::-1]
    names = [_text(axes[i].name, f"axis {i}") for i in mode]
    return ", ".join(names[::-1])


def _with_gaps(factor):
    """NaN where nothing was measured, instead of zero in all components."""
    empty = ~factor.any(axis=1)
    return np.where(empty[:, None], np.nan, factor)


def _mode_signal(signal, mode, name, factor):
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

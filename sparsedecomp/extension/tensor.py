"""``s.tensor_decomposition``: factors of every mode of a series of spectrum images."""

import numpy as np

from . import algorithms
from .arguments import check_output_dimension, check_signal, estimator_parameters
from .components import spectra_like
from .masks import in_array_order
from .progress import progress_bar
from .tensor_modes import modes_of, series_of
from .tensor_results import TensorResults, _axes_of

ALGORITHMS = {name: algorithms.ALGORITHMS[name] for name in ("cpd", "tucker")}
# No algorithm of `decomposition`: its spectra are others in every step.
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
    output_dimension,
    algorithm="cpd",
    modes=None,
    *,
    navigation_mask=None,
    signal_mask=None,
    missing=None,
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
    algorithm : {"cpd", "tucker", "parafac2"}, default "cpd"
        See `sparsedecomp.CPD`, `sparsedecomp.Tucker` and `sparsedecomp.PARAFAC2`. The
        last is for peaks that move along a series: its results have the spectra of
        every step in ``results.evolving``, ``results.spectra`` is their mean.
    modes : sequence, optional
        Names (or axes, or indices) of the navigation axes of each mode, those that
        share one as a tuple: ``["tilt", ("x", "y")]``. Default: the plane of pixels
        is one mode, every other navigation axis one of its own.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where data are left out, in the order of ``axes_manager``; the missing
        entries are no zeros, the model is fitted to all others.
    missing : bool array or BaseSignal, optional
        True for single entries that are left out, in the shape of ``s.data``. "cpd"
        alone can; it leaves out NaN besides, and without `missing` too if
        ``gaps=True`` is given.
    show_progressbar : bool, optional
        Default: HyperSpy's preference.
    **parameters : object
        Of the estimator, e.g. ``random_state=0``, ``n_init=20``, ``noise="poisson"``.
        ``series`` of "parafac2" is the name of the axis along which spectra change;
        default: the one that is not in the plane of pixels.

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
    from ..decomposition.tensor.rank_diagnostics import tensor_rank as of_blocks
    from .driver import blocks_of

    blocks = blocks_of(
        self,
        navigation_mask=in_array_order(self, navigation_mask, "navigation"),
        signal_mask=in_array_order(self, signal_mask, "signal"),
    )
    return of_blocks(blocks, max_rank, modes=modes_of(self, modes), **parameters)


def with_gaps(signal, missing):
    """The signal with NaN for single entries, which are made when they are read.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    missing : None, array or BaseSignal
        Of the shape of the data.

    Returns
    -------
    hyperspy.api.signals.BaseSignal

    Raises
    ------
    ValueError
        When the shape is another.
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


def _choice(algorithm):
    choice = ALGORITHMS.get(str(algorithm).lower())
    if choice is None:
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
    estimator : CPD, Tucker or PARAFAC2
        Fitted.
    W : (n_pixels, k) array
    blocks : BlockMatrix
        What it was fitted to.
    """
    from .learning_results import expanded

    axes = signal.axes_manager
    names, factors = [], []
    for mode, factor in zip(estimator.modes, estimator.factors_, strict=False):
        names.append(_name_of(signal, mode))
        factors.append(_mode_signal(signal, mode, names[-1], _with_gaps(factor)))
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
    loadings = _with_gaps(expanded(W, blocks.rows, axes.navigation_size))
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


def _evolving_signal(signal, step, spectra, columns):
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

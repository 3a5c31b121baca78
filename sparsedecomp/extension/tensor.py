"""``s.tensor_decomposition``: factors of every mode of a series of spectrum images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import progress_bar, with_progress_bar
from ..suggestions import did_you_mean
from . import algorithms
from .arguments import check_output_dimension, check_signal, estimator_parameters
from .masks import in_array_order
from .tensor_modes import modes_of, series_of
from .tensor_results import TensorResults
from .tensor_signals import results_of
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

"""`decomposition` with the algorithms of this package, for eager and lazy signals.

HyperSpy accepts an estimator object instead of a name, but then permutes, reads twice
or concatenates lazy data for several chunk layouts and masks. This driver reads the
data through `sparsedecomp.blocks` in their native chunks, never writes to them, and
changes ``learning_results`` in its last step, so that a failed or stopped fit changes
nothing.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import numpy as np

from ..blocks import BlockMatrix
from ..decomposition.progress import announce_phase
from ..progress import progress_bar
from ..suggestions import did_you_mean
from . import algorithms
from .algorithms import Algorithm
from .arguments import (
    check_is_signal,
    check_output_dimension,
    check_reprojection,
    check_shape,
    check_signal,
    estimator_parameters,
)
from .learning_results import energies, expanded, extras_of, maps_of, store
from .masks import in_array_order
from .reference_arrays import plain_arrays
from .reprojection import factors_of, loadings_of, refuse_bad_values
from .tensor_modes import with_modes
from .types import BaseSignal, Mask
from .verdict import judge

_logger = logging.getLogger(__name__)


def decompose(
    signal: BaseSignal,
    /,
    algorithm: str = "nmf_so_ard",
    output_dimension: int | None = None,
    *,
    normalize_poissonian_noise: bool = False,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    reproject: str | None = None,
    return_info: bool = False,
    print_info: bool = True,
    show_progressbar: bool | None = None,
    **parameters: Any,
) -> Any:
    """Decompose a HyperSpy signal, eager or lazy, of any signal class.

    This is what ``signal.decomposition(algorithm=...)`` calls for the algorithms of
    this package; it works without their registration with HyperSpy. The data are read
    only, lazy data in their own chunks; integer counts are cast block by block. The
    components are sorted by their energy ``||w_k||^2 ||h_k||^2``, largest first.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with at least one navigation and one signal axis.
    algorithm : str, default "nmf_so_ard"
        Name of an algorithm, in any case, with hyphens or spaces for underscores;
        ``sparsedecomp.status().algorithms`` lists them.
    output_dimension : int, optional
        Number of components. Algorithms that find the number themselves use it as an
        upper bound and do not need it.
    normalize_poissonian_noise : bool, default False
        Scale pixels and channels by the weights of Keenan and Kotula [1]_ for the fit,
        which then weighs counts by their variance. Spectra and maps are in the units
        of the data in both cases. Ignored by algorithms with a Poisson likelihood
        ("nmf_kl"), which weigh counts themselves.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    reproject : {None, "navigation", "signal", "both"}, default None
        Compute, after the fit, the abundances of the masked pixels ("navigation"), the
        spectra in the masked channels ("signal") or both, with the other factor fixed.
        Otherwise they are NaN. The results of the fit do not change.
    return_info : bool, default False
        Return the fitted estimator, whose attributes are in the scaling of the fit.
    print_info : bool, default True
        Print the parameters, as HyperSpy does.
    show_progressbar : bool, optional
        Show a progress bar over the iterations. Default: HyperSpy's preference.
    **parameters : object
        Parameters of the estimator, such as ``random_state=0`` or ``max_iter=500``.
        Those of HyperSpy's other algorithms are refused unless at their default.

    Returns
    -------
    estimator or None
        The estimator if `return_info` is set.

    Raises
    ------
    TypeError
        If the data are not real numbers, or a parameter is unknown.
    ValueError
        If there is no navigation axis, the masks leave fewer than two pixels, the data
        do not allow the number of components, or a value is not finite (or negative,
        where counts are needed); the message gives its position.

    Warns
    -----
    DoubtfulResultWarning
        Where the verdict on an algorithm that finds the number of components has
        doubts: the data do not decide between answers, another number rises above the
        noise, cosmic rays or a drift may be among the components, the residual is no
        noise. For "cpd" and "tucker", which have no verdict, only the last.

    Notes
    -----
    Ctrl-C during the fit keeps the best result so far, and during the verdict the
    result without one. ``learning_results`` has the
    entries that HyperSpy's own algorithms write: `explained_variance` is the energy of
    each component per pixel, `explained_variance_ratio` its share, `output_dimension`
    and `number_significant_components` are the number of components kept. Further
    entries are the history of the objective, the noise variance and, where the
    algorithm has it, the relevance of each component; `verdict` says in a few
    sentences what the data say against the result, and is printed, too.

    Spectra and maps are determined up to a factor per component only; see
    ``get_component_spectra`` and ``get_component_maps`` for their scale. How far the
    data determine their shape is the subject of ``unmixing_report``.

    References
    ----------
    .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> from sparsedecomp import decompose
    >>> rng = np.random.default_rng(0)
    >>> maps, spectra = rng.dirichlet([0.3, 0.3], 48), rng.random((2, 30))
    >>> s = hs.signals.Signal1D((maps @ spectra).reshape(6, 8, 30))
    >>> decompose(s, "nmf_so", 2, print_info=False, show_progressbar=False)
    >>> s.get_decomposition_loadings()
    <BaseSignal, title: Decomposition loadings of , dimensions: (2|8, 6)>
    """
    choice = _choice(algorithm)
    check_output_dimension(choice, output_dimension)
    check_reprojection(reproject)
    check_is_signal(signal, "decompose")
    parameters = estimator_parameters(choice, parameters)
    check_signal(signal, choice)
    parameters = plain_arrays(signal, parameters)
    parameters = with_modes(signal, choice, parameters)
    masks = {
        "navigation_mask": in_array_order(signal, navigation_mask, "navigation"),
        "signal_mask": in_array_order(signal, signal_mask, "signal"),
    }
    plain = blocks_of(signal, choice.weighs_counts, **masks)
    check_shape(plain.shape, output_dimension, signal)
    hidden = _hidden(signal, masks, reproject)
    refuse_bad_values(hidden, choice.weighs_counts)
    if normalize_poissonian_noise and choice.weighs_counts:
        # EDS signals of exspy set it by default.
        _logger.info("%s weighs counts itself: they are not scaled", choice.name)
        normalize_poissonian_noise = False
    scaled = plain.poisson_scaled() if normalize_poissonian_noise else plain

    estimator, W = _fit(choice, scaled, output_dimension, parameters, show_progressbar)
    loadings = _multiplied(W, scaled.row_scale)
    factors = _multiplied(estimator.components_.T, scaled.column_scale)
    try:
        announce_phase("verdict")
        verdict = judge(
            choice,
            estimator,
            plain,
            loadings,
            factors.T,
            weighted=normalize_poissonian_noise,
        )
    except KeyboardInterrupt:
        # The fit is complete: only its verdict is not.
        verdict = None
    announce_phase("results")
    energy = energies(loadings, factors)
    axes = signal.axes_manager
    loadings = expanded(loadings, plain.rows, axes.navigation_size)
    factors = expanded(factors, plain.columns, axes.signal_size)
    if pixels := hidden.get("navigation"):
        loadings[pixels.rows] = loadings_of(pixels, estimator, plain, scaled)
    if channels := hidden.get("signal"):
        factors[channels.columns] = factors_of(channels, W, scaled)

    # Known components come first, in the order in which they were given.
    known = getattr(estimator, "known_", np.full(len(energy), -1)) >= 0
    order = np.argsort(np.where(known, -np.inf, -energy), kind="stable")
    store(
        signal,
        decomposition_algorithm=choice.name,
        loadings=loadings[:, order],
        factors=factors[:, order],
        explained_variance=energy[order] / plain.shape[0],
        poissonian_noise_normalized=normalize_poissonian_noise,
        verdict="" if verdict is None else str(verdict),
        **masks,
        **extras_of(estimator, choice, order),
        **maps_of(estimator, choice, plain.rows, axes._navigation_shape_in_array),
    )
    if print_info:
        sys.stdout.write(
            "Decomposition info:\n"
            f"  normalize_poissonian_noise={normalize_poissonian_noise}\n"
            f"  algorithm={choice.name}\n"
            f"  output_dimension={output_dimension}\n"
            "  centre=None\n"
            f"scikit-learn estimator:\n{estimator}\n"
            f"Components kept: {len(order)}\n"
        )
        if verdict is not None:
            sys.stdout.write(f"Verdict: {verdict}\n")
    return estimator if return_info else None


def _choice(algorithm: object) -> Algorithm:
    if not isinstance(algorithm, str):
        raise TypeError(
            f"algorithm={algorithm!r} was given, expected a name such as 'nmf_so_ard'. "
            "An estimator is passed to `s.decomposition(algorithm=...)`."
        )
    choice = algorithms.find(algorithm)
    if choice is None:
        known = ", ".join(f"'{name}'" for name in algorithms.ALGORITHMS)
        raise ValueError(
            f"algorithm={algorithm!r} not recognised."
            f"{did_you_mean(algorithm, algorithms.ALGORITHMS)} Expected one of: "
            f"{known}. "
            "HyperSpy's own algorithms are called with `s.decomposition`."
        )
    return choice


def blocks_of(
    signal: BaseSignal, sparse: bool = False, /, **masks: np.ndarray | None
) -> BlockMatrix:
    """Wrap the data of a signal as a matrix of pixels times channels.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with navigation and signal axes.
    sparse : bool, default False
        Whether counts of a .scube file are read without their zeros.
    **masks : array
        Arrays ``navigation_mask`` and ``signal_mask`` in array order.

    Returns
    -------
    BlockMatrix
        Matrix of the pixels and channels that are not masked.
    """
    from ..blocks import as_blocks

    return as_blocks(
        signal._data_aligned_with_axes,
        signal.axes_manager.signal_dimension,
        sparse=sparse,
        **masks,
    )


def _hidden(
    signal: BaseSignal, masks: dict[str, np.ndarray | None], reproject: str | None
) -> dict[str, BlockMatrix]:
    """Masked pixels and channels that the reprojection reads."""
    return {
        space: blocks_of(signal, **(masks | {f"{space}_mask": ~masks[f"{space}_mask"]}))
        for space in ("navigation", "signal")
        if reproject in (space, "both")
        and masks[f"{space}_mask"] is not None
        and masks[f"{space}_mask"].any()
    }


def _fit(
    choice: Algorithm,
    blocks: BlockMatrix,
    output_dimension: int | None,
    parameters: dict[str, Any],
    show_progressbar: bool | None,
) -> tuple[Any, np.ndarray]:
    estimator = choice.load()(n_components=output_dimension, **parameters)
    callback = estimator.callback
    with progress_bar(show_progressbar, choice.name, callback) as report:
        estimator.callback = report
        W = estimator.fit_transform(blocks)
    # The bar is closed: restore the callback of the user.
    estimator.callback = callback
    _logger.info("%s kept %d components", choice.name, W.shape[1])
    return estimator, W


def _multiplied(rows: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    return rows if scale is None else (rows * scale[:, None]).astype(rows.dtype)

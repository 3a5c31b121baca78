"""`decomposition` with the algorithms of this package, for eager and lazy signals.

HyperSpy could be handed an estimator object instead, but then it scrambles, reads
twice or concatenates lazy data for several chunk layouts and masks. This driver
reads the data through `sparsedecomp.blocks` only, in their native chunks, never
writes to the signal's data, and touches ``learning_results`` in its last step: what
fails or is stopped before leaves no trace.
"""

import logging
import sys

import numpy as np

from . import algorithms
from .arguments import (
    check_output_dimension,
    check_reprojection,
    check_shape,
    check_signal,
    estimator_parameters,
)
from .learning_results import energies, expanded, extras_of, maps_of, store
from .masks import in_array_order
from .progress import progress_bar
from .reference_arrays import plain_arrays
from .reprojection import Fitted, factors_of, loadings_of, refuse_bad_values
from .tensor_modes import with_modes
from .verdict import warn_of_doubt

_logger = logging.getLogger(__name__)


def decompose(
    signal,
    /,
    algorithm="nmf_so_ard",
    output_dimension=None,
    *,
    normalize_poissonian_noise=False,
    navigation_mask=None,
    signal_mask=None,
    reproject=None,
    return_info=False,
    print_info=True,
    show_progressbar=None,
    **parameters,
):
    """Decompose a HyperSpy signal, eager or lazy, of any signal class.

    The same as ``signal.decomposition(algorithm=...)`` with a name of this package,
    and independent of whether that is registered with HyperSpy. The data of the
    signal are only read, lazy data in their own chunks and never as a whole; integer
    counts are cast block by block. The components are sorted by the energy that they
    carry in the units of the data.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        With at least one navigation and one signal axis.
    algorithm : str, default "nmf_so_ard"
        Name of an algorithm, in any case; ``sparsedecomp.status().algorithms`` lists
        them.
    output_dimension : int, optional
        Number of components; an upper bound for algorithms that find the number
        themselves, which can do without it.
    normalize_poissonian_noise : bool, default False
        Scale pixels and channels by Keenan and Kotula's weights [1]_ before the fit;
        spectra and maps are given in the units of the data all the same. Algorithms
        of the Poisson likelihood ("nmf_kl") do without: they weigh counts themselves.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    reproject : {None, "navigation", "signal", "both"}, default None
        Find, after the fit, the abundances of the masked pixels ("navigation") or
        the spectra in the masked channels ("signal") with the other factor fixed.
        Without it they are NaN there. What was fitted does not change.
    return_info : bool, default False
        Return the fitted estimator. Its attributes are in the scaling of the fit.
    print_info : bool, default True
        Print the parameters, in HyperSpy's words.
    show_progressbar : bool, optional
        Show a progress bar over the iterations. Default: HyperSpy's preference.
    **parameters : object
        Parameters of the estimator, e.g. ``random_state=0`` or ``max_iter=500``.
        Those of HyperSpy's other algorithms are refused unless at their default.

    Returns
    -------
    estimator or None
        The estimator if `return_info` is set.

    Raises
    ------
    TypeError
        For data that are not real numbers and for unknown parameters.
    ValueError
        For data without navigation axes or with fewer than two pixels left by the
        masks, for a number of components that the data do not allow, and for bad
        values in the data: the message names the place.

    Warns
    -----
    DoubtfulResultWarning
        Where an algorithm that finds the number of components kept another number than
        rise above the noise, and where cosmic rays may be among them.

    Notes
    -----
    Ctrl-C during the fit keeps the best result so far. ``learning_results`` gets
    what HyperSpy's own algorithms write there: `explained_variance` is the energy of
    each component per pixel, `explained_variance_ratio` its share, `output_dimension`
    and `number_significant_components` are the number of components kept; and as
    extras the history of the objective, the noise variance and, where the algorithm
    has it, the relevance of each component.

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
    parameters = estimator_parameters(choice, parameters)
    check_signal(signal, choice)
    parameters = plain_arrays(signal, parameters)
    parameters = with_modes(signal, choice, parameters)
    masks = {
        "navigation_mask": in_array_order(signal, navigation_mask, "navigation"),
        "signal_mask": in_array_order(signal, signal_mask, "signal"),
    }
    plain = blocks_of(signal, **masks)
    check_shape(plain.shape, output_dimension, signal)
    hidden = _hidden(signal, masks, reproject)
    refuse_bad_values(hidden)
    if normalize_poissonian_noise and choice.weighs_counts:
        # EDS signals of exspy ask for it by default.
        _logger.info("%s weighs counts itself: they are not scaled", choice.name)
        normalize_poissonian_noise = False
    fitted = Fitted.of(plain, normalize_poissonian_noise)

    estimator, W = _fit(
        choice, fitted.scaled, output_dimension, parameters, show_progressbar
    )
    warn_of_doubt(choice, estimator, plain)
    loadings = _multiplied(W, fitted.scaled.row_scale)
    factors = _multiplied(estimator.components_.T, fitted.scaled.column_scale)
    energy = energies(loadings, factors)
    axes = signal.axes_manager
    loadings = expanded(loadings, plain.rows, axes.navigation_size)
    factors = expanded(factors, plain.columns, axes.signal_size)
    if pixels := hidden.get("navigation"):
        loadings[pixels.rows] = loadings_of(pixels, estimator, fitted)
    if channels := hidden.get("signal"):
        factors[channels.columns] = factors_of(channels, W, fitted)

    # Known components keep their places before the others.
    known = getattr(estimator, "known_", np.full(len(energy), -1)) >= 0
    order = np.argsort(np.where(known, -np.inf, -energy), kind="stable")
    store(
        signal,
        decomposition_algorithm=choice.name,
        loadings=loadings[:, order],
        factors=factors[:, order],
        explained_variance=energy[order] / plain.shape[0],
        poissonian_noise_normalized=normalize_poissonian_noise,
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
    return estimator if return_info else None


def _choice(algorithm):
    choice = algorithms.find(algorithm)
    if choice is None:
        known = ", ".join(f"'{name}'" for name in algorithms.ALGORITHMS)
        raise ValueError(
            f"algorithm={algorithm!r} not recognised. Expected one of: {known}. "
            "HyperSpy's own algorithms are called with `s.decomposition`."
        )
    return choice


def blocks_of(signal, **masks):
    """See the data of a signal as a matrix of pixels times channels.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    **masks : object
        ``navigation_mask`` and ``signal_mask`` in array order.

    Returns
    -------
    BlockMatrix
    """
    from ..blocks import as_blocks

    return as_blocks(
        signal._data_aligned_with_axes, signal.axes_manager.signal_dimension, **masks
    )


def _hidden(signal, masks, reproject):
    """What masks hide from the fit and the reprojection reads: pixels, channels."""
    return {
        space: blocks_of(signal, **(masks | {f"{space}_mask": ~masks[f"{space}_mask"]}))
        for space in ("navigation", "signal")
        if reproject in (space, "both")
        and masks[f"{space}_mask"] is not None
        and masks[f"{space}_mask"].any()
    }


def _fit(choice, blocks, output_dimension, parameters, show_progressbar):
    estimator = choice.load()(n_components=output_dimension, **parameters)
    callback = estimator.callback
    with progress_bar(show_progressbar, choice.name, callback) as report:
        estimator.callback = report
        W = estimator.fit_transform(blocks)
    # The bar is closed: what stays with the estimator is what the user gave.
    estimator.callback = callback
    _logger.info("%s kept %d components", choice.name, W.shape[1])
    return estimator, W


def _multiplied(rows, scale):
    return rows if scale is None else (rows * scale[:, None]).astype(rows.dtype)

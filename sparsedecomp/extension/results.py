"""Factors of a fit as HyperSpy's `learning_results`, complete and in its shapes."""

import numpy as np

from . import algorithms


def energies(loadings, factors):
    """Return the energy that each component carries: ``||w_k||^2 ||h_k||^2``.

    Parameters
    ----------
    loadings : (n_pixels, k) array
    factors : (n_channels, k) array

    Returns
    -------
    (k,) float64 array
        In squared units of the data.

    Examples
    --------
    >>> energies(np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]]))
    array([45.])
    """

    def squares(a):
        return np.einsum("ij,ij->j", a, a, dtype=float)

    return squares(np.asarray(loadings)) * squares(np.asarray(factors))


def expanded(rows, kept, size):
    """Spread rows over all positions, NaN where there is none.

    Parameters
    ----------
    rows : (n, k) array
        One row for each kept position, or for every position.
    kept : (n,) int array
        Flat index of the positions that were kept.
    size : int
        Number of positions.

    Returns
    -------
    (size, k) array
    """
    if len(rows) == size:
        return rows
    everywhere = np.full((size, rows.shape[1]), np.nan, rows.dtype)
    everywhere[kept] = rows
    return everywhere


def extras_of(estimator, algorithm, order):
    """Collect what the estimator reports beyond factors, as plain arrays and numbers.

    Parameters
    ----------
    estimator : object
        Fitted.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Says which attributes.
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
    return single | whole


def maps_of(estimator, algorithm, rows, navigation_shape):
    """Collect what the estimator reports of every pixel, as maps.

    Parameters
    ----------
    estimator : object
        Fitted.
    algorithm : sparsedecomp.extension.algorithms.Algorithm
        Says which attributes.
    rows : (n,) int array
        Flat C-order index of the pixels that were fitted.
    navigation_shape : tuple of int
        In array order.

    Returns
    -------
    dict
        Entries for `store`: arrays of `navigation_shape`, NaN where there was no fit.
    """
    size = int(np.prod(navigation_shape))
    return {
        name: expanded(
            np.asarray(getattr(estimator, attribute), float)[:, None], rows, size
        ).reshape(navigation_shape)
        for name, attribute in algorithm.per_pixel.items()
    }


def store(signal, **results):
    """Write a decomposition into ``signal.learning_results`` in one step.

    What an earlier decomposition or source separation left there is removed; results
    of a clustering are kept, as HyperSpy does.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The signal that was decomposed.
    **results : object
        ``decomposition_algorithm``, ``loadings``, ``factors`` (with NaN rows where
        masked), ``explained_variance``, ``navigation_mask``, ``signal_mask``,
        ``poissonian_noise_normalized`` and the extras of the algorithm.
    """
    variance = results["explained_variance"]
    k = results["factors"].shape[1]
    target = vars(signal.learning_results)
    for name in algorithms.EXTRAS:
        target.pop(name, None)
    target.update(
        explained_variance_ratio=variance / variance.sum(),
        number_significant_components=k,
        output_dimension=k,
        mean=None,
        centre=None,
        unfolded=False,
        original_shape=None,
        unmixing_matrix=None,
        bss_algorithm=None,
        bss_factors=None,
        bss_loadings=None,
    )
    target.update(results)

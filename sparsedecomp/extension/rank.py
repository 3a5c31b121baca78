"""`estimate_rank`: how many components a signal holds."""

from .masks import in_array_order


def estimate_rank(
    self, method="auto", *, navigation_mask=None, signal_mask=None, **parameters
):
    """Estimate how many components the data hold, and say how sure that is.

    The data are only read, lazy data in their own chunks: two passes for counts and a
    third where a component is near the edge of the noise.

    Parameters
    ----------
    method : str or sequence of str, default "auto"
        "bootstrap", "noise_edge", "gavish_donoho", "parallel_analysis", "minka",
        "ard", "robpca", several of these, or "all". "auto" chooses by the noise and
        says why. See `sparsedecomp.decomposition.estimate_rank` for what each is.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    **parameters : object
        ``noise``, ``noise_variance``, ``n_bins`` and ``random_state`` of the function.

    Returns
    -------
    sparsedecomp.decomposition.RankEstimate
        A table when printed; `sparsedecomp.plotting.plot_rank` draws it.

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        For unknown methods, for masks that do not fit, for data without two pixels,
        and for values that are not finite.

    See Also
    --------
    sparsedecomp.plotting.plot_rank

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> maps, peaks = np.eye(3)[np.arange(48) % 3], 200 * np.eye(3, 30) + 5
    >>> counts = np.random.default_rng(0).poisson(maps @ peaks)
    >>> s = hs.signals.Signal1D(counts.reshape(6, 8, 30))
    >>> s.estimate_rank().n_components
    3
    """
    from ..decomposition import rank

    return rank.estimate_rank(
        self._data_aligned_with_axes,
        method,
        signal_dimension=_signal_dimension(self),
        navigation_mask=in_array_order(self, navigation_mask, "navigation"),
        signal_mask=in_array_order(self, signal_mask, "signal"),
        **parameters,
    )


def _signal_dimension(signal):
    axes = signal.axes_manager
    if axes.signal_dimension == 0 or axes.navigation_dimension == 0:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected at least one of each. "
            "Choose them, for instance with `s.transpose(signal_axes=1)`."
        )
    return axes.signal_dimension

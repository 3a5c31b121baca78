"""`estimate_rank`, the number of components in a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..progress import with_progress_bar
from .masks import in_array_order
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..decomposition import RankEstimate


@with_progress_bar
def estimate_rank(
    self,
    method: str | Sequence[str] = "auto",
    *,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    **parameters: Any,
) -> RankEstimate:
    """Estimate the number of components that rise above the noise.

    The data are read only, lazy data in their own chunks: two passes for counts, and a
    third if a component is near the edge of the noise.

    Parameters
    ----------
    method : str or sequence of str, default "auto"
        Method of the estimate: "bootstrap", "noise_edge", "gavish_donoho",
        "parallel_analysis", "minka", "ard", "robpca", several of these, or "all".
        "auto" chooses by the noise and reports why. They are described in
        `sparsedecomp.decomposition.estimate_rank`.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    **parameters : object
        Parameters ``noise``, ``noise_variance``, ``n_bins`` and ``random_state`` of
        that function.

    Returns
    -------
    sparsedecomp.decomposition.RankEstimate
        Number of components with an interval. Printing it gives a table;
        `sparsedecomp.plotting.plot_rank` draws it.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If a method is unknown, a mask does not fit, there are fewer than two pixels, or
        a value is not finite.

    See Also
    --------
    sparsedecomp.plotting.plot_rank

    Notes
    -----
    The number counts independent spectra whose variance exceeds that of the noise. A
    phase in very few pixels, or one whose spectrum is a mixture of others, is not
    counted; cosmic rays and a drift of the energy axis are, which `check_data` finds.

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


def _signal_dimension(signal: BaseSignal) -> int:
    axes = signal.axes_manager
    if axes.signal_dimension == 0 or axes.navigation_dimension == 0:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected at least one of each. "
            "Choose them, for instance with `s.transpose(signal_axes=1)`."
        )
    return axes.signal_dimension

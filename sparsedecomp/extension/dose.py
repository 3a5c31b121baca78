"""Thinned counts, and the smallest dose at which the same components are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..progress import counting_bar
from .masks import in_array_order
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..decomposition.dose import DosePlan

FRACTIONS = (0.5, 0.25, 0.125, 0.0625)
"""Shares of the counts that are tried by default, each half of the one before."""


def thin(
    self, fraction: float, *, random_state: int | np.random.RandomState | None = None
) -> BaseSignal:
    """Keep every count with a probability, as if the dose had been smaller.

    A Poisson variable that is thinned is a Poisson variable again, so the result has
    exactly the statistics of a measurement with that share of the dose.

    Parameters
    ----------
    fraction : float
        Probability of a count to be kept, from 0 to 1.
    random_state : int or numpy.random.RandomState, optional
        Seed. Lazy data are thinned chunk by chunk, with a seed for each.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Signal of the same type, shape and metadata; lazy if this one is.

    Raises
    ------
    ValueError
        If the data are no counts, or the fraction is none.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.full((10, 10, 50), 8))
    >>> float(s.thin(0.25, random_state=0).data.mean().round(1))
    2.0
    """
    from sklearn.utils import check_random_state

    _check_fraction(fraction)
    seed = check_random_state(random_state).randint(2**31)
    if not self._lazy:
        generator = np.random.default_rng(seed)
        return self._deepcopy_with_new_data(_thinned(self.data, fraction, generator))

    def of_block(block: NDArray, block_id: tuple[int, ...]) -> NDArray:
        return _thinned(block, fraction, np.random.default_rng([seed, *block_id]))

    data = self.data.map_blocks(
        of_block, dtype=self.data.dtype, meta=self.data._meta, name=None
    )
    return self._deepcopy_with_new_data(data)


def dose_plan(
    self,
    n_components: int | None = None,
    *,
    fractions: Sequence[float] = FRACTIONS,
    tolerance: float = 10.0,
    n_repeats: int = 2,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    memory: float = 2e9,
    random_state: int | np.random.RandomState | None = None,
    show_progressbar: bool | None = None,
    **parameters: Any,
) -> DosePlan:
    """Say the smallest dose at which the same components would have been found.

    The counts are thinned, each thinned copy is decomposed by "nmf_kl" with the same
    number of components, and its spectra are compared with those of all counts. The
    components survive at a dose if they do at every larger one, in every repetition.
    A copy is a part of the counts it is compared with, so that its spectra are
    slightly closer to them than those of a new measurement would be.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: the estimate of `estimate_rank`.
    fractions : sequence of float
        Shares of the counts to try. Default: a half to a sixteenth.
    tolerance : float, default 10.0
        Largest angle in degrees between a spectrum and that of all counts. A larger
        one accepts noisier spectra.
    n_repeats : int, default 2
        Number of thinned copies for every fraction.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out, as for `decomposition`.
    memory : float, default 2e9
        Bytes that the counts may take, eight for every entry that is not zero.
    random_state : int or numpy.random.RandomState, optional
        Seed of the copies and fits.
    show_progressbar : bool, optional
        Show a progress bar over the fits. Default: HyperSpy's preference.
    **parameters : object
        Parameters of `sparsedecomp.decomposition.PoissonNMF`.

    Returns
    -------
    sparsedecomp.decomposition.dose.DosePlan
        Smallest fraction, angles and numbers of components; ``plot`` draws it.

    Raises
    ------
    ValueError
        If the data are no counts, a fraction is none, or the counts take more memory.

    Examples
    --------
    >>> import sparsedecomp
    >>> s = sparsedecomp.datasets.edx_particles(shape=(24, 24), n_channels=256)
    >>> plan = s.dose_plan(3, fractions=[0.5], n_repeats=1, random_state=0,
    ...                    show_progressbar=False)
    >>> plan.angles.shape
    (1, 1, 3)
    """
    from ..decomposition.dose import plan_dose
    from .driver import blocks_of

    for fraction in fractions:
        _check_fraction(fraction)
    blocks = blocks_of(
        self,
        True,
        navigation_mask=in_array_order(self, navigation_mask, "navigation"),
        signal_mask=in_array_order(self, signal_mask, "signal"),
    )
    total = 1 + len(fractions) * n_repeats
    with counting_bar(show_progressbar, "dose_plan", "fit", total) as watch:
        return plan_dose(
            blocks,
            n_components,
            fractions=fractions,
            tolerance=tolerance,
            n_repeats=n_repeats,
            memory=memory,
            random_state=random_state,
            watch=watch,
            **parameters,
        )


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction={fraction!r}, expected a share from 0 to 1.")


def _thinned(data: NDArray, fraction: float, generator: np.random.Generator) -> NDArray:
    """Counts of which each is kept with a probability; zeros cost nothing."""
    values = data[data != 0]
    whole = values.astype(np.int64)
    if np.any(whole != values) or np.any(whole < 0):
        raise ValueError("The data are no counts, whole numbers from 0 up.")
    kept = np.zeros_like(data)
    kept[data != 0] = generator.binomial(whole, fraction)
    return kept

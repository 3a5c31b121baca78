"""The smallest share of the counts at which the same components are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.iterate import uninterrupted
from sparsedecomp.decomposition.poisson.counts import in_memory
from sparsedecomp.decomposition.poisson.nmf_kl import PoissonNMF
from sparsedecomp.decomposition.rank import estimate_rank
from sparsedecomp.metrics import match_components
from sparsedecomp.results import Result, Table, drawn_by


@dataclass(frozen=True, repr=False)
class DosePlan(Result):
    """At which dose the components of some counts would still have been found.

    Attributes
    ----------
    n_components : int
        Number of components.
    fractions : (n,) array
        Shares of the counts that were tried, falling.
    counts_per_pixel : float
        Mean number of counts of a pixel at the full dose.
    angles : (n, n_repeats, n_components) array
        Angle in degrees between each spectrum and that of all counts.
    found : (n, n_repeats) int array
        Number of components that `estimate_rank` finds in the thinned counts.
    tolerance : float
        Largest angle in degrees at which a component is the same.
    """

    n_components: int
    fractions: NDArray
    counts_per_pixel: float
    angles: NDArray
    found: NDArray
    tolerance: float

    plot = drawn_by("plot_dose_plan")

    @property
    def smallest(self) -> float:
        """Smallest fraction at which all components survive; 1.0 if none was enough."""
        largest = self.angles.max(axis=(1, 2))
        n = int(np.argmax(np.append(largest > self.tolerance, True)))
        return float(self.fractions[n - 1]) if n else 1.0

    @property
    def summary(self) -> str:
        """The result in one line."""
        counts = f"{self.smallest * self.counts_per_pixel:.3g} counts per pixel"
        if self.smallest == 1.0:
            return (
                f"all of the dose is needed for the {self.n_components} components: "
                f"{self.fractions[0]:.3g} of it was not enough"
            )
        return (
            f"{self.smallest:.3g} of the dose, {counts}, shows the same "
            f"{self.n_components} components"
        )

    def _details(self) -> Iterable[str | Table]:
        """Table of the fractions."""
        rows = [["dose", "counts/pixel", "largest angle", "components found"]]
        for fraction, angles, found in zip(
            self.fractions, self.angles, self.found, strict=True
        ):
            low, high = int(found.min()), int(found.max())
            rows.append(
                [
                    f"{fraction:.4g}",
                    f"{fraction * self.counts_per_pixel:.3g}",
                    f"{angles.max():.1f}°",
                    f"{low}" if low == high else f"{low} to {high}",
                ]
            )
        yield rows
        yield (
            f"A component is the same within {self.tolerance:g}° of its spectrum from "
            "all counts."
        )


def plan_dose(
    blocks: BlockMatrix,
    n_components: int | None = None,
    *,
    fractions: Sequence[float],
    tolerance: float = 10.0,
    n_repeats: int = 2,
    memory: float = 2e9,
    random_state: int | np.random.RandomState | None = None,
    watch: Callable[[int, int], object] | None = None,
    **parameters: Any,
) -> DosePlan:
    """Thin counts and compare the components that are found in them.

    Parameters
    ----------
    blocks : BlockMatrix
        Counts of shape (n_pixels, n_channels).
    n_components : int, optional
        Number of components. Default: the estimate of `estimate_rank`.
    fractions : sequence of float
        Shares of the counts to try.
    tolerance : float, default 10.0
        Largest angle in degrees at which a component is the same.
    n_repeats : int, default 2
        Number of thinned copies for every fraction.
    memory : float, default 2e9
        Bytes that the counts may take.
    random_state : int or numpy.random.RandomState, optional
        Seed of the copies and fits.
    watch : callable, optional
        ``watch(done, total)`` is called after each fit.
    **parameters : object
        Parameters of `PoissonNMF`.

    Returns
    -------
    DosePlan
        Angles and numbers of components.

    Raises
    ------
    ValueError
        If the data are no counts or take more memory.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.decomposition.dose import plan_dose
    >>> maps, peaks = np.eye(2)[np.arange(400) % 2], 2 * np.eye(2, 30) + 0.1
    >>> counts = np.random.default_rng(0).poisson(maps @ peaks)
    >>> plan = plan_dose(as_blocks(counts), 2, fractions=[0.5], random_state=0)
    >>> plan.n_components
    2
    """
    X = in_memory(blocks, memory)
    if X is None:
        raise ValueError(
            f"The counts take more than memory={memory:.3g} bytes: raise it, or plan "
            "with a part of the pixels, such as s.inav[:500, :500]."
        )
    if np.any(X.data != np.floor(X.data)):
        raise ValueError("The data are no counts, whole numbers from 0 up.")
    state = check_random_state(random_state)
    seeds = state.randint(2**31, size=1 + len(fractions) * n_repeats)
    if n_components is None:
        estimate = estimate_rank(X, noise="poisson", random_state=int(seeds[0]))
        n_components = max(1, estimate.n_components)
    shares = np.sort(np.asarray(fractions, float))[::-1]

    def spectra(counts: scipy.sparse.csr_array, seed: int) -> NDArray:
        model = PoissonNMF(n_components, random_state=int(seed), **parameters)
        return uninterrupted(model.fit(counts)).components_

    reference = spectra(X, seeds[0])
    angles = np.empty((len(shares), n_repeats, n_components))
    found = np.empty((len(shares), n_repeats), int)
    total = len(seeds)
    if watch is not None:
        watch(1, total)
    for number, seed in enumerate(seeds[1:]):
        place = divmod(number, n_repeats)
        counts = thinned(X, float(shares[place[0]]), np.random.default_rng(seed))
        angles[place] = match_components(reference, spectra(counts, seed))[2]
        estimate = estimate_rank(counts, noise="poisson", random_state=int(seed))
        found[place] = estimate.n_components
        if watch is not None:
            watch(number + 2, total)
    mean = float(X.sum(dtype=float)) / X.shape[0]
    return DosePlan(int(n_components), shares, mean, angles, found, float(tolerance))


def thinned(
    X: scipy.sparse.csr_array, fraction: float, generator: np.random.Generator
) -> scipy.sparse.csr_array:
    """Keep every count of a CSR matrix with a probability.

    Parameters
    ----------
    X : CSR array
        Counts.
    fraction : float
        Probability of a count to be kept.
    generator : numpy.random.Generator
        Source of random numbers.

    Returns
    -------
    CSR array
        Counts without explicit zeros, in the type of `X`.
    """
    values = generator.binomial(X.data.astype(np.int64), fraction)
    kept = scipy.sparse.csr_array(
        (values.astype(X.dtype), X.indices, X.indptr), shape=X.shape, copy=True
    )
    kept.eliminate_zeros()
    return kept

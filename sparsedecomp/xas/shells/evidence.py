"""Bayesian comparison of bases: which elements are around the absorber?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..theory.feff_basis import FeffBasis
from .sparse_fit import SparseEXAFS


def basis_evidence(
    chi: ArrayLike, k: ArrayLike, bases: Mapping[str, FeffBasis], **options: Any
) -> dict[str, tuple[float, float]]:
    r"""Compare bases: sets of elements, structures or amplitude reduction factors.

    Each basis is a model of the mean spectrum, with as many shells as the data call
    for. Its evidence integrates over their distances, numbers of atoms and
    displacements and over the noise, which penalises elements that are not needed.
    With equal prior probabilities,

    .. math:: P(b \,|\, y) = \frac{p(y \,|\, b)}{\sum_{b'} p(y \,|\, b')}

    Parameters
    ----------
    chi : (n_pixels, n_k) array
        Spectra, not weighted by k. Pixels with NaN are left out.
    k : (n_k,) array
        Evenly spaced wavenumbers in 1/angstrom.
    bases : dict of str to FeffBasis
        Bases to compare, by name.
    **options
        Parameters of `SparseEXAFS`, the same for all bases: evidences compare models
        of the same data only, that is of the same ranges of k and R.

    Returns
    -------
    dict of str to (float, float)
        Log evidence and posterior probability of each basis, the best first. Errors of
        the theory are common to all bases and not random: a difference of the log
        evidence below 3 decides nothing.

    Raises
    ------
    ValueError
        If a basis is not a `FeffBasis`, or as in `SparseEXAFS.fit`.

    Examples
    --------
    Are the neighbours oxygen or nickel?

    >>> import numpy as np
    >>> from sparsedecomp.xas import FeffBasis, basis_evidence
    >>> bases = {
    ...     e: FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False).only(e)
    ...     for e in ("O", "Ni")
    ... }
    >>> k = np.arange(1, 281) * 0.05
    >>> chi = 6 * bases["O"].channels[0].columns(k, 2.08, sigma2=0.006)[0]
    >>> next(iter(basis_evidence(chi, k, bases, rmin=1, rmax=3)))
    'O'
    """
    logs = {}
    for name, basis in bases.items():
        if not hasattr(basis, "channels"):
            raise ValueError(
                f"bases[{name!r}] is a {type(basis).__name__}: give a FeffBasis, "
                "whose shells have an evidence."
            )
        logs[name] = SparseEXAFS(basis, **options).fit(chi, k).log_evidence_
    total = np.logaddexp.reduce(list(logs.values()))
    return {
        name: (log, float(np.exp(log - total)))
        for name, log in sorted(logs.items(), key=lambda item: -item[1])
    }

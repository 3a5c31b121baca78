"""Which elements are around the absorber? Evidence between bases."""

import numpy as np

from .sparse_fit import SparseEXAFS


def basis_evidence(chi, k, bases, **options):
    r"""Compare bases, that is sets of elements, structures or reduction factors.

    Each basis is a model of the mean spectrum, with as many shells as it takes. Its
    evidence integrates over their distances, atoms and displacements and over the
    noise, so that elements that are not needed do not pay; equally likely beforehand,

    .. math:: P(b \,|\, y) = \frac{p(y \,|\, b)}{\sum_{b'} p(y \,|\, b')}

    Parameters
    ----------
    chi : (n_pixels, n_k) array
        Not weighted by k. Pixels with NaN are left out.
    k : (n_k,) array
        Evenly spaced wavenumbers in 1/angstrom.
    bases : dict of str to FeffBasis
        Names and bases.
    **options
        Of `SparseEXAFS`, the same for all: different ranges of k or R are different
        data, which no evidence compares.

    Returns
    -------
    dict of str to (float, float)
        Log evidence and posterior probability, the best first. The errors of theory
        are alike in all bases and no noise: a difference below 3 decides nothing.

    Raises
    ------
    ValueError
        If a basis is not from FEFF, or as in `SparseEXAFS.fit`.

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
                f"bases[{name!r}] is a {type(basis).__name__}: only FEFF bases have "
                "shells, whose evidence is compared."
            )
        logs[name] = SparseEXAFS(basis, **options).fit(chi, k).log_evidence_
    total = np.logaddexp.reduce(list(logs.values()))
    return {
        name: (log, float(np.exp(log - total)))
        for name, log in sorted(logs.items(), key=lambda item: -item[1])
    }

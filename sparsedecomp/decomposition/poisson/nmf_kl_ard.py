"""Poisson NMF that finds the number of components itself."""

from __future__ import annotations

from sparsedecomp.decomposition.poisson.fit import PoissonFactorisation
from sparsedecomp.decomposition.poisson.nmf_kl import PoissonNMF


class PoissonNMFARD(PoissonNMF):
    """Poisson NMF that finds the number of components itself.

    The method is `PoissonNMF` after a search for the number of components in two parts.
    First comes the search of `NMFSOARD` on the counts with Keenan and Kotula's weights.
    Then the counts, in groups of channels, are fitted under the exponential prior of
    Tan and Fevotte [1]_ on the maps (their l1 version with beta 1, relevances of shape
    one and a floor of one count per pixel). The component that the others replace best
    is removed as long as twice the loss of log-likelihood is less than the most that
    one component explains of pure noise, the edge of Marchenko and Pastur. The fit
    then starts anew with this number, since spectra that share a background may be far
    off at the end of the search.

    What it can decide: how many components rise above counting noise. What it cannot:
    whether they are phases; a peak that shifts, dead time and pile-up count as
    components too.

    Parameters
    ----------
    n_components : int, optional
        Upper bound on the number of components, which is the number that rises above
        the noise. Default: 20.
    concentration, orthogonality, smoothness, sum_to_one, beta, init, n_init, \
max_iter, tol, memory, random_state, callback : object
        Parameters of `PoissonNMF`; ``beta`` must be 1.

    Attributes
    ----------
    relevance_ : (n_components_,) array
        Mean number of counts of a component in a pixel, plus the floor of one.
    components_, n_components_, concentration_, alpha_, objective_, \
objective_history_, deviance_, residual_norm_, relative_residual_, noise_variance_, \
n_iter_, converged_, interrupted_, passes_, seconds_ : object
        Attributes of `PoissonNMF`.

    References
    ----------
    .. [1] V. Y. F. Tan and C. Fevotte, IEEE Trans. Pattern Anal. Mach. Intell. 35
       (2013) 1592. https://doi.org/10.1109/TPAMI.2012.240

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import PoissonNMFARD
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.2, 0.2], 500)
    >>> spectra = 50 * np.exp(-0.1 * (np.arange(60) - np.array([[20], [40]])) ** 2)
    >>> PoissonNMFARD(random_state=0).fit(rng.poisson(maps @ spectra)).n_components_
    2
    """

    _relevance = True

    def _keep(self, found: PoissonFactorisation) -> None:
        super()._keep(found)
        counts = found.C.mean(axis=0, dtype=float) * found.S.sum(axis=1)
        self.relevance_ = 1 + counts

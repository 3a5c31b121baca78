"""NMF with soft orthogonality, with and without automatic relevance determination."""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.nmf.estimator import SoftOrthogonalNMF
from sparsedecomp.decomposition.nmf.factorisation import NMFFactorisation


class NMFSO(SoftOrthogonalNMF):
    """Non-negative matrix factorisation with soft orthogonality of the maps.

    Finds ``k`` non-negative spectra ``S`` of unit norm and non-negative maps ``C`` that
    minimise, for ``n`` entries and noise of variance ``s2``,

        n/2 log s2 + (||X - C S||^2 + 2 w sum_{j<k} C_j . C_k) / (2 s2).

    The second term penalises the overlap of the maps [1]_. Its weight is given relative
    to the noise, ``w = orthogonality * s2 / |x|^2`` with the mean square norm ``|x|^2``
    of a pixel: overlap costs a few nats per pixel however strong the signal is, and
    decides mainly what the data leave open. Maps and spectra are non-negative; the data
    may contain negative noise.

    What it cannot decide: which of several spectra that fit equally well are the true
    ones. Where no pixel is pure, a whole band of spectra fits equally well, and soft
    orthogonality takes its end with the purest maps. Results depend on the start where
    the signal is strong and the spectra are similar; compare `objective_` over seeds.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: as many as pixels or channels, the fewer.
    orthogonality : float, optional
        Cost of overlapping maps, in nats per pixel for maps that overlap fully;
        default 6, and 0 is plain NMF. Much larger values make the spectra mixtures,
        much smaller ones make them too different. With ``updates="published"`` it is
        the removed part of the projection on the other maps, 0 to 1, default 0.05.
    updates : {"penalised", "published"}
        "published" follows the authors' update rules instead of the objective, for
        comparison with their results; see `sparsedecomp.decomposition.nmf.published`.
    init : {"auto", "spa", "vca", "nfindr", "nndsvd", "random"}
        Spectra to start from. "auto" starts once from the extreme pixels ("spa") and
        then from random pixels; all of them are denoised by the compression. "vca" and
        "nfindr" take the pixels of `VCA` and `nfindr`.
    n_init : int, default 3
        Number of starts; the one of lowest objective is kept.
    max_iter : int, default 1000
        Upper bound on the iterations of one descent.
    tol : float, default 1e-8
        A descent ends when a step lowers the objective by less than ``tol`` nats per
        two entries of X. With "published", when the spectra move by less than this
        part of their norm.
    compression : {"auto"}, int or None
        Number of directions of the low-rank approximation of X that the iterations
        use, before the last ones use X itself; "auto" takes ten more than components.
        With None every iteration is a pass over the data.
    noise : {"auto", "uniform", "poisson", "estimated"}
        How the variance of the noise depends on pixel and channel. "auto" takes
        "poisson" for counts, "uniform" for data that are scaled already, and otherwise
        "estimated", from the residual of the leading components, if it is not uniform.
    clipping : {"auto", True, False}
        Whether negative noise was set to zero before the data were given, so that a
        zero only means "not above zero". "auto" looks for too many zeros in data that
        are not counts. The spectra are then fitted to at most four million entries.
    random_state : int, RandomState instance or None
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of unit Euclidean norm, the strongest first by the energy of their map.
    n_components_ : int
        Number of components.
    noise_variance_ : float
        Mean variance of the noise, in squared units of X.
    noise_model_ : NoiseModel
        Noise model that was used.
    overlap_weight_ : float
        Weight ``w`` that was used.
    clipped_ : bool
        Whether zeros were treated as clipped noise.
    objective_ : float
        Objective on the data themselves, in nats.
    objective_history_ : (n,) array
        Objective of the last descent, which never rises.
    residual_norm_, relative_residual_ : float
        ``||X - C S||`` and the same relative to ``||X||``.
    n_iter_ : int
        Number of iterations of all starts.
    converged_ : bool
        Whether the last descent met `tol`.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] M. Shiga et al., Ultramicroscopy 170 (2016) 43, where the penalty is a
       projection outside of the objective.
       https://doi.org/10.1016/j.ultramic.2016.08.006

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import NMFSO
    >>> maps = np.eye(2)[np.arange(60) % 2] + 0.1
    >>> spectra = np.array([[4.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 3.0]])
    >>> model = NMFSO(n_components=2, random_state=0)
    >>> W = model.fit_transform(maps @ spectra)
    >>> W.shape, model.components_.shape
    ((60, 2), (2, 4))
    >>> bool(model.relative_residual_ < 1e-2)
    True
    """


class NMFSOARD(SoftOrthogonalNMF):
    """NMF with soft orthogonality that finds the number of components itself.

    The objective of `NMFSO` has two more terms for every component: the prior of Tan
    and Fevotte [2]_ on its abundances (their l1 version, on the maps alone as in Shiga
    et al. [1]_) and the cost of a component, the most that one could gain on noise
    alone. Descent removes components without abundance; then the component that the
    others replace best is removed as long as it explains less than noise could. The
    prior makes the spectra too different, so the last descent runs without it if a
    component is present everywhere or shares more than half of its spectrum with
    another.

    What it can decide: how many components rise above the noise, if the noise model is
    right; a drifting detector or a peak that shifts counts as components too. A
    component that explains less than the largest singular value of the noise is not
    found by any method that treats all channels and pixels alike. What it cannot
    decide: which of the spectra that fit equally well are the true ones, as `NMFSO`.
    ``s.decomposition(algorithm="nmf_so_ard")`` runs `AutomaticUnmixing` therefore.

    Parameters
    ----------
    n_components : int, optional
        Upper bound on the number of components. Default: the number of singular values
        above the noise and four to spare, at most 20.
    orthogonality, updates, init, n_init, max_iter, tol, compression, noise, clipping, \
random_state, callback : object
        Parameters of `NMFSO`.

    Attributes
    ----------
    relevance_ : (n_components_,) array
        Mean abundance of each component under the prior, over the standard deviation
        of the noise; 1 for a component without abundance.
    selection_history_ : (n,) array
        Objective of the search for the number of components, which never rises.
    components_, n_components_, noise_variance_, noise_model_, overlap_weight_, \
clipped_, objective_, objective_history_, residual_norm_, relative_residual_, n_iter_, \
converged_, interrupted_, passes_, seconds_ : object
        Attributes of `NMFSO`.

    References
    ----------
    .. [1] M. Shiga et al., Ultramicroscopy 170 (2016) 43.
       https://doi.org/10.1016/j.ultramic.2016.08.006
    .. [2] V. Y. F. Tan and C. Fevotte, IEEE Trans. Pattern Anal. Mach. Intell. 35
       (2013) 1592. https://doi.org/10.1109/TPAMI.2012.240

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import NMFSOARD
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.2, 0.2], 500)
    >>> spectra = 50 * np.exp(-0.1 * (np.arange(60) - np.array([[20], [40]])) ** 2)
    >>> counts = rng.poisson(maps @ spectra)
    >>> model = NMFSOARD(random_state=0).fit(counts)
    >>> model.n_components_, model.noise_model_.kind
    (2, 'poisson')
    """

    _relevance = True

    def _keep(self, found: NMFFactorisation) -> None:
        super()._keep(found)
        self.relevance_ = np.asarray(found.relevance)
        self.selection_history_ = np.array(found.selection_history)

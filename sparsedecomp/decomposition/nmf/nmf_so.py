"""NMF with soft orthogonality, with and without automatic relevance determination."""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.nmf.estimator import SoftOrthogonalNMF
from sparsedecomp.decomposition.nmf.factorisation import Factorisation


class NMFSO(SoftOrthogonalNMF):
    """Non-negative matrix factorisation with soft orthogonality of the maps.

    Finds ``k`` non-negative spectra ``S`` of unit norm and non-negative maps ``C`` that
    minimise, for ``n`` entries and noise of variance ``s2``,

        n/2 log s2 + (||X - C S||^2 + 2 w sum_{j<k} C_j . C_k) / (2 s2).

    The second term asks the maps to overlap no more than the data demand [1]_. Its
    weight is given relative to the noise, ``w = orthogonality * s2 / |x|^2`` with the
    mean square norm ``|x|^2`` of a pixel: overlap costs a few nats per pixel however
    strong the signal is, and decides mainly what the data leave open.

    What it cannot decide: a good fit does not make the spectra right. Where no pixel
    holds one component alone, a whole band of spectra fits equally well; soft
    orthogonality takes its end with the purest maps. Results depend on the start where
    the signal is clean and the spectra are alike; compare `objective_` over seeds.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: as many as pixels or channels, the fewer.
    orthogonality : float, optional
        Cost of overlapping maps, in nats per pixel for maps that overlap fully;
        default 6, and 0 is plain NMF. The default was chosen on simulated EELS cubes of
        5e3 to 5e5 electrons per pixel and on the Mn3O4 data of the authors: a few times
        more pulls spectra into mixtures, a few times less leaves a bias outwards, since
        noise is fitted better by pixels that are no vertices. With
        ``updates="published"`` the removed fraction of the projection, 0 to 1; default
        0.05 (the authors use up to 0.5).
    updates : {"penalised", "published"}
        "published" follows the authors' update rules instead of the objective, to
        compare with their results; see `sparsedecomp.decomposition.nmf.published`.
    init : {"auto", "spa", "vca", "nfindr", "nndsvd", "random"}
        Spectra to start from. "auto" starts once from the extreme pixels ("spa") and
        then from random pixels; all of them are denoised by the compression. "vca" and
        "nfindr" take the pixels of `VCA` and `nfindr`.
    n_init : int, default 3
        Number of starts; the one of lowest objective is kept.
    max_iter : int, default 1000
        Bound on the iterations of one descent.
    tol : float, default 1e-8
        A descent ends when steps gain less than ``tol`` nats per two entries of X.
        With "published", when the spectra move by less than this relative to their
        norm.
    compression : {"auto"}, int or None
        Iterate on a low-rank picture of X of ten directions more than components (or
        of the number given), and finish on X itself. None iterates on X: every
        iteration is a pass over the data then.
    noise : {"auto", "uniform", "poisson", "estimated"}
        How the variance of the noise depends on pixel and channel. "auto" takes
        "poisson" for counts, "uniform" for data that are scaled already, and otherwise
        "estimated", from what the leading components leave over, when that is uneven.
    clipping : {"auto", True, False}
        Whether negative noise was set to zero before the data were given, so that a
        zero only says "not above zero". "auto" looks for too many zeros in data that
        are not counts. The spectra are then learnt from at most four million entries.
    random_state : int, RandomState instance or None
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of unit Euclidean norm, strongest first by the energy of their map.
    n_components_ : int
    noise_variance_ : float
        Mean variance of the noise, in squared units of X.
    noise_model_ : str
        The noise model that was used.
    overlap_weight_ : float
        The weight ``w`` above.
    clipped_ : bool
        Whether zeros were taken as clipped noise.
    objective_ : float
        In nats, on the data themselves.
    objective_history_ : (n,) array
        Objective of the last descent, which never rises.
    residual_norm_, relative_residual_ : float
        ``||X - C S||`` and the same relative to ``||X||``.
    n_iter_ : int
        Iterations of all starts together.
    converged_, interrupted_ : bool
    passes_ : int
        Reads of the whole of X.
    seconds_ : float

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

    As `NMFSO`, with two terms more for every component: the prior of Tan and Fevotte
    [2]_ on its abundances (their l1 version, eqs. 16-20, on the maps alone as Shiga et
    al. [1]_ have it) and the price of a component, the most that noise alone could
    gain from one. Descent prunes; then the component that the others replace best is
    taken out as long as it explains less than noise could. For the last descent the
    prior, which pulls spectra apart, is taken off components that are everywhere and
    off those that share more than half of their spectrum with another.

    What it can decide is how many components rise above the noise, if the noise model
    is right; a drifting detector or a peak that shifts counts as components too. A
    component that explains less than the largest singular value of the noise is not
    found by any method that looks at all channels and pixels alike. What it cannot
    decide is what `NMFSO` cannot: which of the spectra that fit are the true ones.

    Parameters
    ----------
    n_components : int, optional
        Upper bound on the components. Default: the number of singular values above the
        noise and four to spare, at most 20.
    orthogonality, updates, init, n_init, max_iter, tol, compression, noise, clipping, \
random_state, callback
        As for `NMFSO`.

    Attributes
    ----------
    relevance_ : (n_components_,) array
        Mean abundance of each component under the prior, over the standard deviation
        of the noise; 1 is nothing.
    selection_history_ : (n,) array
        Objective of the search for the number of components, which never rises.
    components_, n_components_, noise_variance_, noise_model_, overlap_weight_, \
clipped_, objective_, objective_history_, residual_norm_, relative_residual_, n_iter_, \
converged_, interrupted_, passes_, seconds_
        As for `NMFSO`.

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
    >>> model.n_components_, model.noise_model_
    (2, 'poisson')
    """

    _relevance = True

    def _keep(self, found: Factorisation) -> None:
        super()._keep(found)
        self.relevance_ = np.asarray(found.relevance)
        self.selection_history_ = np.array(found.selection_history)

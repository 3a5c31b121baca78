"""NMF with soft orthogonality, with and without automatic relevance determination."""

from __future__ import annotations

import logging
import time
import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.blocks.matrix import root_of_sums
from sparsedecomp.decomposition.fitting import Request, fit_penalised
from sparsedecomp.decomposition.noise import NOISE_MODELS, refuse_negative
from sparsedecomp.decomposition.published import fit_published
from sparsedecomp.decomposition.starts import STARTS

_logger = logging.getLogger(__name__)


_INTEGERS = [np.dtype(code).type for code in "BHILQbhilq"]


class Progress(NamedTuple):
    """What a callback is told after every outer iteration."""

    iteration: int
    max_iter: int
    objective: float
    n_components: int
    start: int
    n_starts: int
    passes: int
    seconds: float


class _SoftOrthogonalNMF(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """What the two factorisations share; they differ in the relevance."""

    _relevance = False

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "orthogonality": [Interval(Real, 0, None, closed="left")],
        "updates": [StrOptions({"penalised", "published"})],
        "init": [StrOptions(set(STARTS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "compression": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "noise": [StrOptions(set(NOISE_MODELS))],
        "clipping": [StrOptions({"auto"}), "boolean"],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def __init__(
        self,
        n_components=None,
        *,
        orthogonality=1e-3,
        updates="penalised",
        init="auto",
        n_init=3,
        max_iter=1000,
        tol=1e-8,
        compression="auto",
        noise="auto",
        clipping="auto",
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.orthogonality = orthogonality
        self.updates = updates
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.compression = compression
        self.noise = noise
        self.clipping = clipping
        self.random_state = random_state
        self.callback = callback

    def fit(self, X, y=None):
        """Fit the model to the data.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels), non-negative. A dask array is read in
            passes over its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN, infinity and negative data, naming the place, and for more
            components than the data can have.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances, the strongest component first, in the units of the data: the
            spectra have unit norm.
        """
        self._validate_params()
        began = time.perf_counter()
        blocks = self._blocks(X, reset=True)
        n_components = self._bound_on_components(blocks)
        generator = np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )
        read_before = blocks.passes
        count = 0
        n_starts = self.n_init

        def watch(start, objective, n_found):
            nonlocal count
            count += 1
            _logger.debug("step %d: objective %.8g, %d", count, objective, n_found)
            return self.callback is not None and self.callback(
                Progress(
                    iteration=count,
                    max_iter=self.max_iter,
                    objective=objective,
                    n_components=n_found,
                    start=start,
                    n_starts=n_starts,
                    passes=blocks.passes - read_before,
                    seconds=time.perf_counter() - began,
                )
            )

        course = fit_published if self.updates == "published" else fit_penalised
        request = Request(
            n_components=n_components,
            relevance=self._relevance,
            orthogonality=self.orthogonality,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            compression=self.compression,
            noise=self.noise,
            clipping=self.clipping,
            generator=generator,
            watch=watch,
        )
        solution = course(blocks, request)
        self._keep(solution)
        self.n_iter_ = count
        self.passes_ = blocks.passes - read_before
        self.seconds_ = time.perf_counter() - began
        self._warn()
        return solution.C

    def transform(self, X):
        """Find the abundances of pixels, the spectra fixed.

        Solves the same problem for each pixel as the fit did: non-negative least
        squares with the soft orthogonality, the relevance and the weights of the
        channels that were found.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        summary = blocks.describe()
        refuse_negative(summary)
        rows = np.ones(blocks.shape[0])
        if self._mean_row_sum is not None:
            rows = root_of_sums(summary.row_sums, self._mean_row_sum)
        C, _, _ = self._abundance_model.solve(
            blocks.scaled(rows, self._column_scale), rows
        )
        return C * (rows[:, None] * self._scale).astype(C.dtype)

    def inverse_transform(self, X):
        """Put the data together again from abundances.

        Parameters
        ----------
        X : (n_pixels, n_components_) array

        Returns
        -------
        (n_pixels, n_channels) array
        """
        check_is_fitted(self)
        return np.asarray(X) @ self.components_

    @property
    def _n_features_out(self):
        return self.n_components_

    def _blocks(self, X, reset):
        if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32, *_INTEGERS],
                ensure_all_finite=False,
            )
        blocks = as_blocks(X)
        if reset:
            self.n_features_in_ = blocks.shape[1]
        elif blocks.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {blocks.shape[1]} features, but {type(self).__name__} is "
                f"expecting {self.n_features_in_} features as input."
            )
        return blocks

    def _bound_on_components(self, blocks):
        n_samples, n_features = blocks.shape
        if n_samples < 2:
            raise ValueError(
                f"The data have n_samples = {n_samples} pixel, expected at least 2: "
                "one spectrum is its own only component."
            )
        most = min(blocks.shape)
        if self.n_components is None:
            return None if self._relevance else most
        if self.n_components > most:
            raise ValueError(
                f"n_components = {self.n_components} was given for data with "
                f"{n_samples} pixels and {n_features} channels, expected at most "
                f"{most}."
            )
        return self.n_components

    def _keep(self, solution):
        self.components_ = solution.S.astype(solution.C.dtype)
        self.n_components_ = len(solution.S)
        self.objective_ = solution.objective
        self.objective_history_ = np.array(solution.history)
        self.residual_norm_ = float(np.sqrt(solution.residual))
        self.relative_residual_ = float(
            np.sqrt(solution.residual / solution.sum_of_squares)
        )
        self.noise_variance_ = float(solution.noise_variance)
        self.noise_model_ = solution.noise_model
        self.clipped_ = solution.clipped
        self.converged_ = solution.converged
        self.interrupted_ = solution.interrupted
        self._stopped = solution.stopped
        self._abundance_model = solution.abundance_model
        self._column_scale = solution.column_scale
        self._scale = solution.scale
        self._mean_row_sum = solution.mean_row_sum

    def _warn(self):
        if self.interrupted_:
            warnings.warn(
                f"The fit was interrupted after {self.n_iter_} iterations; the best "
                "result so far was kept.",
                RuntimeWarning,
                stacklevel=3,
            )
        elif not self.converged_ and not self._stopped:
            warnings.warn(
                f"Maximum number of iterations {self.max_iter} reached. Increase "
                "max_iter or tol to reach convergence.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class NMFSO(_SoftOrthogonalNMF):
    """Non-negative matrix factorisation with soft orthogonality of the maps.

    Finds ``k`` non-negative spectra ``S`` of unit norm and non-negative maps ``C`` that
    minimise, for ``n`` entries and noise of variance ``s2``,

        n/2 log s2 + (||X - C S||^2 + 2 w sum_{j<k} C_j . C_k) / (2 s2).

    The second term asks the maps to overlap no more than the data demand [1]_. It acts
    as if the overlap of any two spectra, the cosine of their angle, were larger by
    ``w``: small beside one, so that it decides mainly what the data leave open.

    What it cannot decide: a good fit does not make the spectra right. Where no pixel
    holds one component alone, a whole band of spectra fits equally well; soft
    orthogonality takes its end with the purest maps. Results depend on the start where
    the signal is clean and the spectra are alike; compare `objective_` over seeds.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: as many as pixels or channels, the fewer.
    orthogonality : float, default 1e-3
        Weight ``w`` of the overlap relative to the squared residual; 0 is plain NMF.
        With ``updates="published"`` the removed fraction of the projection, 0 to 1
        (the authors use 0.05 to 0.5).
    updates : {"penalised", "published"}
        "published" follows the authors' update rules instead of the objective, to
        compare with their results; see `sparsedecomp.decomposition.published`.
    init : {"auto", "spa", "nndsvd", "random"}
        Spectra to start from. "auto" starts once from the extreme pixels ("spa") and
        then from random pixels; all of them are denoised by the compression.
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


class NMFSOARD(_SoftOrthogonalNMF):
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
    components_, n_components_, noise_variance_, noise_model_, clipped_, objective_, \
objective_history_, residual_norm_, relative_residual_, n_iter_, converged_, \
interrupted_, passes_, seconds_
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

    def _keep(self, solution):
        super()._keep(solution)
        self.relevance_ = np.asarray(solution.relevance)
        self.selection_history_ = np.array(solution.selection_history)

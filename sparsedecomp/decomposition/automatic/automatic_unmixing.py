"""Unmixing without a number of components, with a verdict on the answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.automatic.preparation import PreparedData, prepare
from sparsedecomp.decomposition.automatic.support import support_rival
from sparsedecomp.decomposition.automatic.verdict import (
    DoubtfulResultWarning,
    Verdict,
    verdict_on,
    verdict_on_relevance,
)
from sparsedecomp.decomposition.iterate import Outcome, keep_on_interrupt
from sparsedecomp.decomposition.nmf.nmf_so import NMFSOARD
from sparsedecomp.decomposition.progress import announce_phase
from sparsedecomp.decomposition.simplex_likelihood.rivals import (
    Rival,
    UndeterminedWarning,
)
from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import SimplexML
from sparsedecomp.noise import find_noise

if TYPE_CHECKING:
    from sparsedecomp.decomposition.base import MatrixLike


class AutomaticUnmixing(NMFSOARD):
    """Number of components from the noise, spectra from the cloud of pixels.

    This is what ``s.decomposition(algorithm="nmf_so_ard")`` runs. Automatic relevance
    determination [1]_ counts as a component whatever its model does not explain, and
    soft orthogonality decides by a prior what the data leave open; on many edges, small
    phases, few channels or vacuum both are wrong. By default the parts of `NMFSOARD`
    are therefore replaced:

    1. Single entries that stand out from all around them (cosmic rays) are replaced by
       their neighbours while the data are read, see `spikes_`.
    2. A drift of the energy axis over the scan is looked for and, where it is beyond
       doubt, taken out while the data are read, see `energy_drift_`.
    3. The number of components is the lower end of the interval of `estimate_rank`,
       which noise exceeds once in ten thousand times.
    4. The spectra are those of `SimplexML`: of all answers that fit equally well, the
       one under which the cloud of pixels is most likely.
    5. `verdict_` says what speaks against the answer: another answer that the data do
       not exclude, a support in every pixel, plural scattering, a residual that is
       larger or smaller than the noise model expects.

    The data themselves never change. Data whose negative noise was set to zero are
    fitted by `NMFSOARD`, whose model of that noise the other steps lack; so are all
    data with ``updates="published"`` or with an ``orthogonality`` that is given.

    What it cannot decide is what `SimplexML` cannot; the verdict tells most such cases
    but not all. Without reading `verdict_`, an answer is not to be trusted.

    Parameters
    ----------
    n_components : int, optional
        Upper bound on the components. Default: none.
    orthogonality : float, optional
        Cost of overlapping maps. A value given makes the fit that of `NMFSOARD`.
    updates : {"penalised", "published"}
        "published" makes the fit that of `NMFSOARD` with the authors' update rules.
    init, n_init, max_iter, tol, compression : object
        Parameters of `NMFSOARD`, where that is fitted; else without effect.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model, see `estimate_rank`.
    clipping : {"auto", True, False}
        Whether negative noise was set to zero before the data were given; True makes
        the fit that of `NMFSOARD`.
    random_state : int, RandomState instance or None
        Seed of all random draws. With None the seed is 0: the same data give the same
        answer.
    callback : callable, optional
        Called with a `Progress` after every step; returning True ends the fit.
    energy_drift : {"auto", True, False}
        Whether to model a drift of the energy axis: "auto" where it is beyond doubt.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of unit Euclidean norm, strongest first by the energy of their map.
    n_components_ : int
        Number of components.
    verdict_ : Verdict
        What speaks against the answer; printed, it is a few sentences.
    energy_drift_ : (n_pixels,) array
        By how many channels each spectrum lies further up than on average; zeros where
        no drift was modelled.
    spikes_ : (n_spikes, 2) int array
        Pixel and channel of the entries that were replaced.
    rivals_ : list of Rival
        Other answers that the data do not exclude.
    relevance_ : (n_components_,) array
        Mean abundance of each component over the standard deviation of the noise.
    noise_variance_ : float
        Mean square of the residual per degree of freedom.
    noise_model_ : NoiseModel
        Noise model of the data as they were fitted.
    objective_ : float
        Negative logarithm of the likelihood of the cloud, in nats.
    objective_history_ : (n,) array
        The best objective so far after each update of shares and noise, which never
        rises.
    selection_history_ : (n,) array
        Objective of the search of `NMFSOARD`; empty where the number is the rank.
    overlap_weight_ : float
        Weight of the overlap of the maps; 0 where there is no such penalty.
    clipped_ : bool
        Whether zeros were taken as clipped noise.
    residual_norm_, relative_residual_ : float
        Norm of the residual of the data as they were fitted, spikes replaced and
        spectra aligned, and the same relative to the norm of these data.
    n_iter_ : int
        Number of steps.
    converged_, interrupted_ : bool
        Whether the fit ended by itself, and whether it was interrupted.
    passes_ : int
        Reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

    Warns
    -----
    DoubtfulResultWarning
        Where the verdict has doubts.

    References
    ----------
    .. [1] V. Y. F. Tan and C. Fevotte, IEEE Trans. Pattern Anal. Mach. Intell. 35
       (2013) 1592. https://doi.org/10.1109/TPAMI.2012.240

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import AutomaticUnmixing
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.2, 0.2], 500)
    >>> spectra = 50 * np.exp(-0.1 * (np.arange(60) - np.array([[20], [40]])) ** 2)
    >>> model = AutomaticUnmixing(random_state=0).fit(rng.poisson(maps @ spectra))
    >>> model.n_components_, model.verdict_.doubtful
    (2, False)
    """

    _parameter_constraints = {
        **NMFSOARD._parameter_constraints,
        "energy_drift": [StrOptions({"auto"}), "boolean"],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        orthogonality: float | None = None,
        updates: str = "penalised",
        init: str = "auto",
        n_init: int = 3,
        max_iter: int = 1000,
        tol: float = 1e-8,
        compression: str | int | None = "auto",
        noise: str = "auto",
        clipping: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
        callback: Callable | None = None,
        energy_drift: str | bool = "auto",
    ) -> None:
        super().__init__(
            n_components,
            orthogonality=orthogonality,
            updates=updates,
            init=init,
            n_init=n_init,
            max_iter=max_iter,
            tol=tol,
            compression=compression,
            noise=noise,
            clipping=clipping,
            random_state=random_state,
            callback=callback,
        )
        self.energy_drift = energy_drift

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray[np.floating]:
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels). A dask array is read in passes over
            its chunks and never held as a whole. Drift is looked for along the
            navigation axes of a BlockMatrix; other data count as a line of pixels.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances, the strongest component first, in the units of the data: the
            spectra have unit norm.
        """
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        monitor = self._monitor(blocks, 4)
        monitor.phase = "preparation"
        self._simplex: SimplexML | None = None
        self.energy_drift_ = np.zeros(blocks.shape[0])
        self.spikes_ = np.zeros((0, 2), int)
        self.rivals_: list[Rival] = []
        data = None
        if self.updates != "published" and self.orthogonality is None:
            if self.clipping is not True:
                seed = int(self._generator().integers(2**31))
                data = prepare(blocks.unscaled(), self.noise, self.energy_drift, seed)
        if data is None or data.rank.method == "ard":
            W = self._fit_relevance(blocks)
        else:
            W = self._fit_cloud(blocks, data, seed)
        self.passes_, self.seconds_ = monitor.passes, monitor.seconds
        if self.verdict_.doubtful:
            warnings.warn(str(self.verdict_), DoubtfulResultWarning, stacklevel=2)
        return W

    def transform(self, X: MatrixLike) -> NDArray[np.floating]:
        """Find the abundances of pixels, the spectra fixed.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels). Spikes and drift are left as they are.

        Returns
        -------
        (n_pixels, n_components_) array
            By non-negative least squares.
        """
        if getattr(self, "_simplex", None) is None:
            return super().transform(X)
        return self._simplex.transform(self._blocks(X, reset=False))

    def _fit_relevance(self, blocks: BlockMatrix) -> NDArray[np.floating]:
        """The fit of `NMFSOARD`, with a verdict on its number."""
        W = super().fit_transform(blocks)
        self.verdict_ = verdict_on_relevance(self, W, blocks)
        return W

    def _fit_cloud(
        self, blocks: BlockMatrix, data: PreparedData, seed: int
    ) -> NDArray[np.floating]:
        """The fit of `SimplexML` to the prepared data, with a verdict on it."""
        k = min(data.n_components, self.n_components or data.n_components)
        model = SimplexML(
            k, noise=data.noise, random_state=seed, callback=self.callback
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndeterminedWarning)
            W = model.fit_transform(data.blocks)
        self._simplex = model
        self.spikes_ = np.column_stack([data.spikes.rows, data.spikes.columns])
        if data.aligned:
            self.energy_drift_ = data.drift.shift
        n, m = blocks.shape
        freedom = max((n - k) * (m - k), 1)
        self.components_, self.n_components_ = model.components_, k
        self.noise_variance_ = float(model.residual_norm_**2 / freedom)
        self.noise_model_ = find_noise(data.blocks, data.noise)
        self.clipped_ = False
        self.overlap_weight_ = 0.0
        self.selection_history_ = np.zeros(0)
        self.objective_history_ = np.minimum.accumulate(model.objective_history_)
        self.objective_ = -model.log_likelihood_
        for name in ("residual_norm_", "relative_residual_", "n_iter_", "rivals_"):
            setattr(self, name, getattr(model, name))
        self.converged_, self.interrupted_ = model.converged_, model.interrupted_
        self.verdict_ = Verdict(k)
        course: Outcome[None] = Outcome(None)
        with keep_on_interrupt(course):
            announce_phase("verdict")
            support = None
            if data.unit and k > 1 and not self.interrupted_:
                support = support_rival(model, data.blocks, data.unit, seed)
            self.verdict_ = verdict_on(model, W, data, support, self.n_components)
        self.interrupted_ |= course.interrupted
        if blocks.row_scale is not None:
            W = self._in_scaled_units(W, blocks)
        noise = np.sqrt(max(self.noise_variance_, np.finfo(W.dtype).tiny))
        self.relevance_ = W.mean(axis=0, dtype=float) / noise
        return W

    def _in_scaled_units(self, W, blocks):
        """Spectra and abundances in the scaling that the data were given in."""
        S = self.components_ / blocks.column_scale
        norm = np.linalg.norm(S, axis=1)
        self.components_ = (S / norm[:, None]).astype(W.dtype)
        self._simplex.components_ = self.components_
        return (W / blocks.row_scale[:, None] * norm).astype(W.dtype)

    def _generator(self):
        """The same answer from run to run where no seed is given."""
        if self.random_state is None:
            return np.random.default_rng(0)
        return super()._generator()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        return tags

"""Multivariate curve resolution by alternating least squares."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank, MatrixLike
from sparsedecomp.decomposition.abundances import spectra_for
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
from sparsedecomp.decomposition.initialisation import (
    INITIALISATIONS,
    start_candidates,
    with_known,
)
from sparsedecomp.decomposition.iterate import Phases, iterate
from sparsedecomp.decomposition.mcr.alternating import (
    SCALES,
    CompressedALS,
    Constraints,
    ExactALS,
    MCRState,
    best_start,
    noise_squares,
)
from sparsedecomp.decomposition.mcr.constraints import (
    known_components,
    unimodal_components,
)
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.deprecation import renamed_parameters
from sparsedecomp.noise import signal_space

CONSTRAINTS = ("nonnegative", "sum_to_one", "fully_constrained")
# Upper bound on the passes over the data after the iterations on compressed data, which
# remove the approximation. More passes take longer and come nearer to the minimum.
EXACT_PASSES = 5


class MCRALS(GeometricUnmixing):
    """Multivariate curve resolution by alternating least squares (MCR-ALS) [1]_.

    Minimises ``||X - W S||`` in turn over the abundances ``W`` with the spectra ``S``
    fixed and over the spectra with the abundances fixed, under the constraints. Each
    half is solved exactly for all its constraints together, by active sets instead of
    clipping the unconstrained solution, so the lack of fit never rises.

    The data are compressed once; the iterations run on the scores, and the last few are
    exact passes over the data. The constraints are those of the MCR-ALS toolboxes:
    non-negativity, closure, unimodality, known spectra and known maps.

    The method finds the best fit under the constraints. It cannot decide which of the
    many pairs of maps and spectra that fit equally well (rotational ambiguity) is the
    true one, unless the constraints leave only one; the result stays near its start.
    Constraints from knowledge of the specimen (a known spectrum, a pixel known to lack
    a component) help more than iterations, and a run with another start shows how far
    the result is determined.

    Parameters
    ----------
    n_components : int, optional
        Number of components, the known ones included. Default: the number of singular
        values above the noise, if the noise is white.
    init : {"auto", "vca", "nfindr", "spa", "nndsvd", "random"} or (k, n_channels) array
        Spectra to start from. "auto" takes the corners of the cone of `SSSVCA` if
        there are up to eight components, one of them is never more than four fifths of
        a pixel and no background seems to be shared (for non-negative spectra without
        closure), and otherwise the best of the largest simplices of pixels after five
        iterations. The other choices are the purest pixels by `VCA`, by N-FINDR or by
        successive projection, positive parts of singular vectors, random pixels, or
        your own spectra. Every known spectrum replaces the one most like it.
    known_spectra : (q, n_channels) array, optional
        Spectra of components that are not changed, in the units of X, such as a
        reference or a background, in all channels or in those that are not masked.
        They become the first components, in this order.
    known_maps : (n_pixels, q) array, optional
        Known abundances of the components after those of known spectra, in this order,
        in all pixels or in those that are not masked.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained"}
        Constraint on the abundances: non-negative, closed (they add up to one), or
        both.
    nonnegative_spectra : bool, default True
        Whether spectra are non-negative.
    unimodal : bool or int array, default False
        Components whose spectra have a single maximum: all that are not known, or
        those of these indices, with known spectra first and known maps after them.
    unimodality_tolerance : float, default 0
        Part of itself by which a unimodal spectrum may rise again from one channel to
        the next; 0.1 is the "1.1" of the toolboxes.
    normalize : {"auto", "norm", "max", "sum", None}
        What is made one in every spectrum: its Euclidean norm, its maximum, its sum.
        "auto" is "norm", or None under closure, which fixes the scale itself. Known
        spectra and those of known maps keep their scale.
    max_iter : int, default 500
        Upper bound on the iterations.
    tol : float, default 1e-2
        The fit ends when the misfit of the signal falls by less than this part of
        itself in an iteration. Its square is the sum of squared residuals without that
        of white noise, which no iteration changes and which would make any fit look
        converged. This rule, the one per cent and "auto" were chosen with the truth of
        Samson, Sim1, Sim2 and the espm particles known.
    compression : {"auto", None} or int
        Number of directions for the iterations, "auto" for ten more than components.
        None reads all the data in every iteration.
    random_state : int, RandomState instance or None
        Seed of the start and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit. The
        objective is the lack of fit in per cent.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra: known ones in the given order, those of known maps in the given order,
        then the others, the strongest first by the energy of map and spectrum.
    n_components_ : int
        Number of components.
    known_ : (n_components_,) int array
        Index of every known component, counted from 0 as given, spectra before maps;
        -1 for the components that were found.
    known_spectra_, known_maps_ : (n_components_,) bool arrays
        Whether the spectrum of a component was known, and whether its map was.
    lack_of_fit_ : float
        ``100 ||X - W S|| / ||X||``, in per cent; the "LOF (exp)" of the toolboxes.
    lack_of_fit_pca_ : float
        Lack of fit to the projection of X on ``n_components_`` singular vectors; the
        "LOF (PCA)" of the toolboxes.
    explained_variance_ : float
        Explained part of the sum of squares in per cent.
    objective_history_ : (n_iter_,) array
        Lack of fit in per cent after each iteration: the last ``n_exact_`` values are
        those of the data, the others those of the compressed data. Neither part rises.
    n_exact_ : int
        Number of iterations that read all the data.
    noise_variance_ : float
        Mean square per degree of freedom outside of the signal space.
    constraint_ : str
        Constraint on the abundances.
    residual_norm_, relative_residual_ : float
        Norm of the residual, and relative to that of the data.
    n_iter_ : int
        Number of iterations after the start was chosen.
    converged_ : bool
        Whether the convergence test was met.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of all data.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] J. Jaumot, A. de Juan and R. Tauler, Chemom. Intell. Lab. Syst. 140 (2015)
       1. https://doi.org/10.1016/j.chemolab.2014.10.003

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import MCRALS
    >>> maps = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], 100)
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> model = MCRALS(3, known_spectra=spectra[:1], tol=0.05, random_state=0)
    >>> W = model.fit_transform(maps @ spectra)
    >>> model.components_[model.known_spectra_]
    array([[1., 0., 0., 1.]])
    >>> model.lack_of_fit_ < 1
    True
    """

    _parameter_constraints = {
        **GeometricUnmixing._parameter_constraints,
        "init": [StrOptions(set(INITIALISATIONS)), "array-like"],
        "known_spectra": ["array-like", None],
        "known_maps": ["array-like", None],
        "constraint": [StrOptions(set(CONSTRAINTS))],
        "nonnegative_spectra": ["boolean"],
        "unimodal": ["boolean", "array-like"],
        "unimodality_tolerance": [Interval(Real, 0, None, closed="left")],
        "normalize": [StrOptions({"auto", *SCALES}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "compression": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
    }

    @renamed_parameters(normalisation="normalize")
    def __init__(
        self,
        n_components: int | None = None,
        *,
        init: str | ArrayLike = "auto",
        known_spectra: ArrayLike | None = None,
        known_maps: ArrayLike | None = None,
        constraint: str = "nonnegative",
        nonnegative_spectra: bool = True,
        unimodal: bool | Sequence[int] = False,
        unimodality_tolerance: float = 0.0,
        normalize: str | None = "auto",
        max_iter: int = 500,
        tol: float = 1e-2,
        compression: str | int | None = "auto",
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.known_spectra = known_spectra
        self.known_maps = known_maps
        self.constraint = constraint
        self.nonnegative_spectra = nonnegative_spectra
        self.unimodal = unimodal
        self.unimodality_tolerance = unimodality_tolerance
        self.normalize = normalize
        self.max_iter = max_iter
        self.tol = tol
        self.compression = compression
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Find the spectra and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels).
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the ``constraint``, in the order of ``components_``.

        Raises
        ------
        ValueError
            For NaN and infinity in the data, naming the place, for more components
            than the data can have, and for known spectra and maps that do not fit.
        """
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        generator = self._generator()
        monitor = self._monitor(blocks, self.max_iter)
        low = self._compressed(blocks, generator)
        known, maps = known_components(
            blocks, self.known_spectra, self.known_maps, self.n_components
        )
        n_known = len(known) + maps.shape[1]
        k = self.n_components or max(self._components_above_noise(blocks), n_known)
        squares = low.summary.sum_of_squares
        constraints = self._constraints(blocks, k, len(known), maps)
        options: dict[str, Any] = {
            "constraints": constraints,
            "sum_of_squares": squares,
            "tol": self.tol,
            "noise": 100 * float(np.sqrt(noise_squares(low, k) / squares)),
            # What rounding leaves of a difference of sums of squares.
            "rounding": 100 * float(np.sqrt(10 * np.finfo(blocks.dtype).eps)),
        }
        compressed = CompressedALS(**options, low=low)
        exact = ExactALS(**options, blocks=blocks)
        starts = [
            MCRState(constraints.feasible(with_known(S, k, low, known, maps)))
            for S in self._candidates(blocks, low, known, k, generator)
        ]
        phases: Phases[MCRState] = Phases(monitor)
        phases.run("starts", lambda _: best_start(compressed, starts))
        n_passes = self.max_iter
        if self.compression is not None:
            n_passes = EXACT_PASSES
            phases.run(
                "compressed data",
                lambda best: iterate(compressed, best.state, self.max_iter, monitor),
            )
        first = phases.outcome
        last = phases.run(
            "exact passes",
            lambda best: iterate(exact, MCRState(best.state.S), n_passes, monitor),
        )
        best = last.state
        exact_history = last.history
        if last is first:
            # Maps of a stopped fit belong to the compressed data.
            best = phases.complete(lambda: exact.evaluate(first.state.S))
            exact_history = [best.lack_of_fit]
        self.objective_history_ = np.array(first.history + exact_history)
        self.n_iter_ = len(self.objective_history_)
        self.n_exact_ = len(exact_history)
        order = self._keep(best, low, constraints)
        risen = compressed.has_risen(first) or exact.has_risen(last)
        converged = last.converged if self.compression is None else first.converged
        self.converged_ = converged and not (last.stopped or risen)
        self.interrupted_ = last.interrupted
        self.passes_ = monitor.passes
        self.seconds_ = monitor.seconds
        if risen and not last.stopped:
            warnings.warn(
                f"The lack of fit rose after iteration {self.n_iter_}, which rounding "
                "does where components are alike; the best result so far was kept. "
                "Ask for fewer components.",
                ConvergenceWarning,
                stacklevel=2,
            )
        else:
            self._warn(stopped=last.stopped)
        energy = np.square(self.components_).sum(axis=1)
        if not energy.all():
            warnings.warn(
                f"{np.count_nonzero(energy == 0)} of {len(energy)} components "
                "vanished: the constraints leave nothing for them. Ask for fewer "
                "components or start elsewhere (init, random_state).",
                ConvergenceWarning,
                stacklevel=2,
            )
        return np.ascontiguousarray(best.W[:, order], dtype=blocks.dtype)

    def _compressed(
        self, blocks: BlockMatrix, generator: np.random.Generator
    ) -> LowRank:
        rank = (self.n_components or self._MOST) + OVERSAMPLING
        if self.compression not in (None, "auto"):
            rank = max(rank, int(self.compression))
        low = signal_space(blocks, rank, generator)
        if low.summary.sum_of_squares == 0:
            raise ValueError(
                "The data are zero everywhere; there is nothing to decompose."
            )
        return low

    def _constraints(
        self, blocks: BlockMatrix, k: int, n_spectra: int, maps: NDArray
    ) -> Constraints:
        number = np.arange(k)
        unimodal = unimodal_components(self.unimodal, k, n_spectra)
        if self.unimodality_tolerance and not self.nonnegative_spectra:
            raise ValueError(
                f"unimodality_tolerance={self.unimodality_tolerance} is a part of the "
                "spectrum itself and has no meaning for negative ones: leave it at 0 "
                "or set nonnegative_spectra=True."
            )
        closed = self.constraint != "nonnegative"
        scale = self.normalize
        if scale == "auto":
            scale = None if closed else "norm"
        if closed and scale is not None:
            raise ValueError(
                f"normalize='{scale}' was given with constraint="
                f"'{self.constraint}', which fixes the scale of the spectra: set "
                "normalize=None."
            )
        total = np.ones(blocks.shape[0])
        if blocks.row_scale is not None:
            # Abundances add up to one before the pixels are scaled.
            total = 1 / blocks.row_scale
        return Constraints(
            known_spectra=number < n_spectra,
            known_maps=(number >= n_spectra) & (number < n_spectra + maps.shape[1]),
            maps=maps,
            total=total,
            abundances=self.constraint,
            nonnegative=self.nonnegative_spectra,
            unimodal=unimodal,
            tolerance=self.unimodality_tolerance,
            scale=scale,
        )

    def _candidates(
        self,
        blocks: BlockMatrix,
        low: LowRank,
        known: NDArray,
        k: int,
        generator: np.random.Generator,
    ) -> list[NDArray]:
        """Sets of spectra to start from."""
        if isinstance(self.init, str):
            cone = self.constraint == "nonnegative" and self.nonnegative_spectra
            return start_candidates(low, k, self.init, generator, cone=cone)
        S = spectra_for(blocks, self.init)
        if len(S) not in (k, k - len(known)):
            raise ValueError(
                f"init holds {len(S)} spectra, expected {k}: one for each component, "
                "or for each whose spectrum is not known."
            )
        return [S if blocks.column_scale is None else S / blocks.column_scale]

    def _keep(self, best: MCRState, low: LowRank, constraints: Constraints) -> NDArray:
        """Keep the results in the order of the components, which is returned."""
        squares = low.summary.sum_of_squares
        energy = np.diag(best.gram) * np.square(best.S).sum(axis=1)
        k = len(energy)
        known = constraints.known_spectra | constraints.known_maps
        # Known components keep their places before the others.
        order = np.argsort(np.where(known, -np.inf, -energy), kind="stable")
        self.known_ = np.where(known, np.arange(k), -1)[order]
        self.components_ = best.S[order].astype(low.scores.dtype)
        self.n_components_ = k
        self.known_spectra_ = constraints.known_spectra[order]
        self.known_maps_ = constraints.known_maps[order]
        self.constraint_ = self.constraint
        self.lack_of_fit_ = best.lack_of_fit
        self.relative_residual_ = best.lack_of_fit / 100
        self.residual_norm_ = self.relative_residual_ * float(np.sqrt(squares))
        self.explained_variance_ = 100 * (1 - self.relative_residual_**2)

        captured = np.square(low.singular_values[:k]).sum()
        signal = low.scores[:, :k].astype(float) @ (low.basis[:, :k].T @ best.S.T)
        model = np.vdot(best.gram, best.S @ best.S.T)
        residual = captured - 2 * np.vdot(best.W, signal) + model
        self.lack_of_fit_pca_ = 100 * float(np.sqrt(max(residual, 0.0) / captured))
        self.noise_variance_ = low.noise_variance
        return order

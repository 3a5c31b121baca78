"""Vertex component analysis: the outermost pixels as spectra."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, LowRank
from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    grow,
    signal_coordinates,
    vertices,
)
from sparsedecomp.decomposition.iterate import IterativeMethod, Phases, iterate
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.noise import signal_space


class Vertices(NamedTuple):
    """The best simplex of pixels after some runs.

    Attributes
    ----------
    pixels : (k,) int array or None
        Vertices of the simplex; None before the first run.
    volume, first : float
        Its volume, and that of the first run, which is one where it was zero.
    """

    pixels: NDArray | None = None
    volume: float = -1.0
    first: float | None = None


class VertexRuns(IterativeMethod[Vertices]):
    """Runs of vertex component analysis; each step is one run from other directions.

    Parameters
    ----------
    points : (n_pixels, k) array
        Pixels in the coordinates of the signal space.
    k : int
        Number of vertices.
    generator : numpy.random.Generator
        Source of the directions.
    """

    monotone = False
    # No decrease is too small: all runs are made.
    tol = -np.inf

    def __init__(self, points: NDArray, k: int, generator: np.random.Generator) -> None:
        self.points = points
        self.k = k
        self.generator = generator

    def step(self, state: Vertices) -> tuple[Vertices, float]:
        """One run; the objective is the largest volume relative to the first."""
        chosen = vertices(self.points, self.k, self.generator)
        volume = float(abs(np.linalg.det(self.points[chosen])))
        first = state.first or volume or 1.0
        if volume > state.volume:
            state = Vertices(chosen, volume)
        return state._replace(first=first), state.volume / first

    def n_components(self, state: Vertices) -> int:
        """Number of vertices."""
        return self.k


class VCA(GeometricUnmixing):
    """Vertex component analysis [1]_: the purest pixels are the components.

    Mixtures of ``k`` spectra fill a simplex whose corners are the spectra. Pixels are
    projected on ``k`` dimensions: if the signal-to-noise ratio exceeds
    ``15 + 10 log10 k`` decibels, along their brightness on a hyperplane, so that
    thickness and illumination may vary; otherwise on ``k - 1`` principal components,
    which noise affects less. The first vertex is the pixel farthest along a random
    direction, each further one the pixel farthest along a random direction orthogonal
    to the vertices before. Of `n_init` runs the one of largest volume is kept. The
    vertices are searched for in compressed coordinates; the data are read five times,
    one of them for the abundances.

    What it can decide: the spectra, if every component has a pure pixel. What it
    cannot: where none is pure, the components are mixtures and lie inside the true
    simplex; see `MinimumVolume`. An outlier becomes a vertex, so mask pixels that do
    not belong to the specimen. Data may be negative.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: the number of singular values above the noise,
        if the noise is white.
    refinement : {None, "nfindr"}
        With "nfindr" the pixels are exchanged afterwards until the volume no longer
        grows, see `nfindr`.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Constraint on the abundances, see `abundances`.
    n_init : int, default 20
        Number of runs. More of them find a larger simplex in noisy data.
    random_state : int, RandomState instance or None
        Seed of the directions and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every run; returning True ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of the vertices, without the noise outside of the signal space, in the
        units of X; the strongest first by the energy of map and spectrum.
    n_components_ : int
        Number of components.
    pixels_ : (n_components_,) int array
        Rows of X that are the vertices.
    snr_ : float
        Signal-to-noise ratio in decibels (infinite for data without noise).
    projective_ : bool
        Whether brightness was divided out.
    noise_variance_ : float
        Mean square of the data outside of the signal space, per degree of freedom.
    objective_history_ : (n_iter_,) array
        Largest volume so far, relative to the first one, after each run.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
        Number of runs.
    converged_ : bool
        Always True.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of the whole of X.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] J. M. P. Nascimento and J. M. B. Dias, IEEE Trans. Geosci. Remote Sens. 43
       (2005) 898. https://doi.org/10.1109/TGRS.2005.844293

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import VCA
    >>> shares = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    >>> shares[[7, 20, 33]] = np.eye(3)
    >>> spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    >>> model = VCA(n_components=3, random_state=0).fit(shares @ spectra)
    >>> sorted(model.pixels_.tolist())
    [7, 20, 33]
    """

    _parameter_constraints = {
        **GeometricUnmixing._parameter_constraints,
        "refinement": [StrOptions({"nfindr"}), None],
        "constraint": [StrOptions(set(CONSTRAINTS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        refinement: str | None = None,
        constraint: str = "nonnegative",
        n_init: int = 20,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.refinement = refinement
        self.constraint = constraint
        self.n_init = n_init
        self.random_state = random_state
        self.callback = callback

    def _find(
        self,
        blocks: BlockMatrix,
        n_components: int | None,
        generator: np.random.Generator,
        phases: Phases[Vertices],
    ) -> tuple[NDArray, LowRank]:
        rank = (n_components or self._MOST) + OVERSAMPLING
        low = signal_space(blocks, rank, generator)
        k = n_components or self._components_above_noise(blocks)
        view = signal_coordinates(low, k)
        runs = VertexRuns(view.points, k, generator)
        outcome = phases.run(
            "runs",
            lambda _: iterate(
                runs, Vertices(), self.n_init, phases.monitor, keep_start=False
            ),
        )
        best = outcome.state.pixels
        if self.refinement == "nfindr":
            best = phases.complete(lambda: grow(view.points, outcome.state.pixels))
        self.pixels_ = best
        self.snr_ = float(view.snr)
        self.projective_ = view.projective
        outcome.converged = True
        return view.spectra[best] @ low.basis.T, low

    @property
    def _most_steps(self) -> int:
        return self.n_init

    def _reorder(self, order: NDArray) -> None:
        self.pixels_ = self.pixels_[order]

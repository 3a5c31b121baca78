"""Vertex component analysis: the outermost pixels as spectra."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.decomposition.abundances import CONSTRAINTS
from sparsedecomp.decomposition.geometric.base import GeometricUnmixing
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    grow,
    signal_coordinates,
    vertices,
)
from sparsedecomp.noise.signal_space import signal_space


class VCA(GeometricUnmixing):
    """Vertex component analysis [1]_: the purest pixels are the components.

    Mixtures of ``k`` spectra fill a simplex whose corners are the spectra. Pixels are
    projected on ``k`` dimensions: above ``15 + 10 log10 k`` decibels along their
    brightness on a hyperplane (their eq. 7, so that thickness and illumination may
    vary), below on ``k - 1`` principal components, which noise moves less. Then, again
    and again, the pixel farthest along a random direction orthogonal to all found
    is the next. The best of `n_init` runs is that of the largest volume. Everything
    happens in compressed coordinates: the data are read five times, once of these for
    the abundances.

    What it can decide: the spectra, if every component has a pixel of its own. Where
    none is pure, the components are mixtures and the answer lies inside the true
    simplex: see `MinimumVolume`. A single outlier is a vertex; mask what is no
    specimen. Negative data are no obstacle.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: the number of singular values above the noise,
        if the noise is white.
    refinement : {None, "nfindr"}
        Exchange pixels after that until the volume stands still, see `nfindr`.
    constraint : {"nonnegative", "sum_to_one", "fully_constrained", "scaled"}
        Of the abundances, see `abundances`.
    n_init : int, default 20
        Number of runs.
    random_state : int, RandomState instance or None
        Seed of the directions and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every run; returning True ends the search.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra of the pixels found, without the noise outside of the signal space, in
        the units of X; the strongest first by the energy of their map.
    n_components_ : int
    pixels_ : (n_components_,) int array
        Their rows in X.
    snr_ : float
        Signal-to-noise ratio in decibels (infinite for data without noise).
    projective_ : bool
        Whether brightness was divided out.
    noise_variance_ : float
        Mean square of what lies outside of the signal space, per degree of freedom.
    objective_history_ : (n_init,) array
        Largest volume so far, relative to the first one, after each run.
    residual_norm_, relative_residual_ : float
        ``||X - W components_||``, and the same relative to ``||X||``.
    n_iter_ : int
        Runs made.
    converged_, interrupted_ : bool
    passes_ : int
        Reads of the whole of X.
    seconds_ : float

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
        n_components=None,
        *,
        refinement=None,
        constraint="nonnegative",
        n_init=20,
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.refinement = refinement
        self.constraint = constraint
        self.n_init = n_init
        self.random_state = random_state
        self.callback = callback

    def _find(self, blocks, n_components, generator, watch):
        low = self._compress(blocks, n_components, generator)
        k = n_components or self._components_above_noise(low)
        view = signal_coordinates(low, k)
        best, largest, first = None, -1.0, None
        self.objective_history_ = []
        self.interrupted_ = False
        try:
            for _ in range(self.n_init):
                chosen = vertices(view.points, k, generator)
                volume = abs(np.linalg.det(view.points[chosen]))
                first = first or volume or 1.0
                if volume > largest:
                    best, largest = chosen, volume
                self.objective_history_.append(largest / first)
                if watch(0, largest / first, k):
                    break
        except KeyboardInterrupt:
            if best is None:
                raise
            self.interrupted_ = True
        if self.refinement == "nfindr":
            best = grow(view.points, best)
        self.pixels_ = best
        self.snr_ = float(view.snr)
        self.projective_ = view.projective
        self.converged_ = True
        return view.spectra[best] @ low.basis.T, low

    def _compress(self, blocks, n_components, generator):
        rank = (n_components or self._MOST) + OVERSAMPLING
        return signal_space(blocks, rank, generator)

    @property
    def _most_steps(self):
        return self.n_init

    def _reorder(self, order):
        self.pixels_ = self.pixels_[order]

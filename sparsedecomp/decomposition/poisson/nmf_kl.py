"""Poisson NMF of counts, with maps that are integrated over or penalised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.blocks import BlockMatrix, MatrixLike
from sparsedecomp.decomposition.base import BlockFactorisation, Factorisation
from sparsedecomp.decomposition.initialisation import INITIALISATIONS
from sparsedecomp.decomposition.poisson.beta import LAST_STEPS, beta_step, fit_beta
from sparsedecomp.decomposition.poisson.counts import grid_neighbours, refuse_bad_blocks
from sparsedecomp.decomposition.poisson.fit import (
    PoissonFactorisation,
    PoissonOptions,
    fit_counts,
    settle,
)
from sparsedecomp.decomposition.poisson.model import PoissonModel
from sparsedecomp.decomposition.progress import Monitor, Progress
from sparsedecomp.noise import count_components, find_noise


class PoissonNMF(BlockFactorisation):
    """Non-negative factorisation of counts, by their Poisson likelihood.

    The counts ``x_ie`` of pixel ``i`` and channel ``e`` are assumed to be Poisson
    distributed with the mean ``(C S)_ie``. Spectra ``S`` add up to one, so that
    abundances ``C`` are counts. The work of an iteration is proportional to the number
    of entries that are not zero.

    With a few hundred counts in a pixel, the spectra of maximum likelihood are several
    degrees away from the true ones: the maps are noisy, and as they cannot become
    negative, their noise makes the spectra too different. By default, therefore, the
    maps are integrated over [1]_. The shares of the components in a pixel have a
    Dirichlet distribution; the sum of its parameters is `concentration`, one count,
    and their proportions, the mean shares, are estimated. The method maximises the
    variational bound on the evidence of the spectra and returns the expected numbers
    of counts of every component.

    The sum of one was chosen, not estimated: a free sum grows to several counts where
    spectra are similar and counts are few, and the maps become uniform. Mean angles in
    degrees to the true spectra (and RMSE of the shares) of simulated cubes of 80 x 80
    pixels, with the counts per pixel after the name:

    ================  ============  ===========  ===========  ===========  ============
    cube              likelihood    sum 0.3      sum 1        sum 3        `NMFSO`
    ================  ============  ===========  ===========  ===========  ============
    particles, 97     8.0 (.090)    7.7 (.080)   4.5 (.046)   6.2 (.052)   8.3 (.092)
    particles, 323    5.9 (.057)    6.1 (.046)   2.6 (.024)   3.1 (.025)   6.6 (.060)
    particles, 970    5.9 (.050)    5.8 (.039)   1.7 (.015)   2.0 (.016)   6.2 (.051)
    lamella, 112      11 (.13)      20 (.14)     25 (.14)     26 (.18)     15 (.31)
    lamella, 1120     6.8 (.061)    19 (.13)     20 (.13)     18 (.076)    13 (.093)
    lattice, 100      12 (.11)      23 (.23)     14 (.19)     18 (.11)     15 (.12)
    lattice, 1000     14 (.069)     18 (.12)     9.8 (.14)    7.5 (.080)   17 (.10)
    ================  ============  ===========  ===========  ===========  ============

    What it can decide: the spectra, where most pixels contain one or two components, as
    in the particles. What it cannot: in the lamella and the lattice all four components
    are everywhere, two of them 32 degrees apart. A prior for few components in a pixel
    is wrong there, `concentration=None` is better, and no method here finds them all.
    The deviance does not tell the two cases apart: the prior raises it by about as
    much in both.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: as many as pixels or channels, the fewer.
    concentration : {"auto"}, float or None
        Sum of the Dirichlet parameters, in counts: larger values favour pixels that
        contain all components. None maximises the likelihood. "auto" is 1, or None if
        `orthogonality`, `smoothness`, `sum_to_one` or `beta` is set.
    orthogonality : float, default 0
        Cost of overlapping maps, in nats for a pixel of mean brightness and maps that
        overlap fully (``c_j = c_k`` equal to the mean count). Larger values separate
        the maps more.
    smoothness : float, default 0
        Twice the cost, in nats, of abundances that differ by the mean count between
        neighbours on the navigation grid; the cost is quadratic in the difference.
        Masked pixels are no neighbours; a plain matrix is a line of pixels.
    sum_to_one : bool, default False
        Whether the abundances of a pixel add up to one, with spectra in counts: for
        specimens of uniform thickness.
    beta : float, default 1
        Loss: 1 is the Poisson likelihood, 2 least squares, 0 Itakura-Saito, which
        needs positive data. Other values than 1 use multiplicative updates of all
        entries and no priors.
    init : {"auto", "spa", "vca", "nfindr", "nndsvd", "random"}
        Spectra to start from, as for `NMFSO`. They are refined by five iterations of
        least squares on the counts with Keenan and Kotula's weights. With more than 20
        counts in the mean entry "auto" starts from `MinimumVolume` as well, which finds
        spectra under a shared background; the start of lowest objective is kept.
    n_init : int, default 1
        Number of starts; the one of lowest objective is kept. Under the prior more
        starts do not improve the spectra: the bound is highest for maps without
        mixtures, to which only bad starts lead.
    max_iter : int, default 500
        Upper bound on the iterations of one descent.
    tol : float, default 1e-4
        A descent ends when an iteration moves less than this part of the counts to
        other channels of the spectra, which measures how far the Karush-Kuhn-Tucker
        conditions are from being met.
    memory : float, default 1.5e8
        Memory in bytes that the counts may take, eight for each entry that is not
        zero. Data that need no more are read once and kept. Otherwise the spectra are
        first fitted to as many pixels as that holds, at most 16384, and every
        iteration on all pixels reads the data again. The fit takes up to six times
        this memory: less than 1 GiB with the default.
    random_state : int, RandomState instance or None
        Seed of the range finder and of random starts.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit.

    Attributes
    ----------
    components_ : (n_components_, n_channels) array
        Spectra that add up to one (in counts with `sum_to_one`), the strongest first
        by the energy of map and spectrum.
    n_components_ : int
        Number of components.
    concentration_ : float or None
        Concentration that was used.
    alpha_ : (n_components_,) array
        Parameters of the Dirichlet distribution; zeros without a prior.
    objective_ : float
        Objective in nats, up to a constant.
    objective_history_ : (n,) array
        Objective of the last descent, which never rises.
    deviance_ : float
        Deviance ``2 sum(x log(x/m) - x + m)`` with the model ``m``; for other `beta`
        twice the divergence.
    residual_norm_, relative_residual_ : float
        ``||X - C S||`` and the same relative to ``||X||``.
    noise_variance_ : float
        Mean square of the residual.
    n_iter_ : int
        Number of iterations of all descents, on groups of channels and on all.
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
    .. [1] D. M. Blei, A. Y. Ng and M. I. Jordan, J. Mach. Learn. Res. 3 (2003) 993,
       eqs. 6-9; the likelihood is that of D. D. Lee and H. S. Seung, Nature 401 (1999)
       788. https://doi.org/10.1038/44565
    .. [2] C. Fevotte and J. Idier, Neural Comput. 23 (2011) 2421.
       https://doi.org/10.1162/NECO_a_00168

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import PoissonNMF
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.2, 0.2], 500)
    >>> spectra = 50 * np.exp(-0.1 * (np.arange(60) - np.array([[20], [40]])) ** 2)
    >>> counts = rng.poisson(maps @ spectra)
    >>> model = PoissonNMF(n_components=2, random_state=0)
    >>> C = model.fit_transform(counts)
    >>> bool(np.allclose(C.sum(axis=1), counts.sum(axis=1), rtol=1e-4))
    True
    >>> model.components_.sum(axis=1).round(4).tolist()
    [1.0, 1.0]
    """

    _relevance = False

    _parameter_constraints = {
        **BlockFactorisation._parameter_constraints,
        "concentration": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            None,
        ],
        "orthogonality": [Interval(Real, 0, None, closed="left")],
        "smoothness": [Interval(Real, 0, None, closed="left")],
        "sum_to_one": ["boolean"],
        "beta": [Interval(Real, 0, 2, closed="both")],
        "init": [StrOptions(set(INITIALISATIONS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "memory": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        concentration: str | float | None = "auto",
        orthogonality: float = 0.0,
        smoothness: float = 0.0,
        sum_to_one: bool = False,
        beta: float = 1.0,
        init: str = "auto",
        n_init: int = 1,
        max_iter: int = 500,
        tol: float = 1e-4,
        memory: float = 1.5e8,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.concentration = concentration
        self.orthogonality = orthogonality
        self.smoothness = smoothness
        self.sum_to_one = sum_to_one
        self.beta = beta
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.memory = memory
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Counts of shape (n_pixels, n_channels) that are not scaled.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances in counts, the strongest component first.

        Raises
        ------
        ValueError
            For NaN, infinity and negative data, naming the place, for scaled data, and
            for more components than the data can have.
        """
        self._validate_params()
        model = self._model()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        if model.smoothness:
            neighbours = grid_neighbours(blocks.rows, blocks.navigation_shape)
            model = replace(model, neighbours=neighbours)
        n_components = self.n_components or min(blocks.shape)
        if self._relevance:
            refuse_bad_blocks(blocks)
            noise = find_noise(blocks, "poisson")
            n_components = count_components(blocks, noise, self.n_components)
        generator = self._generator()
        monitor = self._monitor(blocks, self.max_iter, self.n_init)
        if self.beta == 1:
            options = PoissonOptions(
                n_components=n_components,
                model=model,
                init=self.init,
                n_init=self.n_init,
                max_iter=self.max_iter,
                tol=self.tol,
                memory=self.memory,
                generator=generator,
                monitor=monitor,
            )
            poisson = fit_counts(blocks, options)
            self._keep(poisson)
            fit: Factorisation = poisson
        else:
            fit = self._fit_beta(blocks, n_components, generator, monitor)
        self._record(fit, monitor)
        self.objective_ = fit.outcome.objective
        self.noise_variance_ = fit.residual / np.prod(blocks.shape)
        self._warn(fit.outcome.stopped)
        return fit.C

    def transform(self, X: MatrixLike) -> NDArray:
        """Find the abundances of pixels for the spectra of the fit.

        Every pixel is fitted by itself, under the same prior or penalty as in the fit,
        without smoothness.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Counts of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances in counts.
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        refuse_bad_blocks(blocks)
        if self.beta == 1:
            return settle(blocks, self._state, self._fitted_model.alone())[0]
        S = np.maximum(self.components_.astype(float), self._floor)
        mean = blocks.describe().row_sums / S.sum()
        C = np.repeat(np.maximum(mean, self._floor)[:, None], len(S), axis=1)
        (C,), _ = blocks.run(
            beta_step, rows=(C,), shared=(S, self.beta, LAST_STEPS, self._floor)
        )
        return C.astype(blocks.dtype)

    def _model(self) -> PoissonModel:
        """Priors and penalties; raises for combinations that are not possible."""
        penalties = {
            "orthogonality": self.orthogonality,
            "smoothness": self.smoothness,
            "sum_to_one": self.sum_to_one,
            "beta": self.beta != 1,
        }
        chosen = [name for name, value in penalties.items() if value]
        concentration = self.concentration
        if isinstance(concentration, str):  # "auto"
            concentration = None if chosen else 1.0
        if concentration is not None and chosen:
            raise ValueError(
                f"concentration={concentration} was given together with "
                f"{' and '.join(chosen)}, expected concentration='auto' or None: "
                "under the prior the maps are integrated over, not penalised."
            )
        alone = [name for name in ("sum_to_one", "beta") if penalties[name]]
        if alone and (len(chosen) > 1 or (self.beta != 1 and self._relevance)):
            raise ValueError(
                f"{' and '.join(alone)} cannot be used together with other penalties "
                "or with relevance. Leave these at their defaults."
            )
        return PoissonModel(
            concentration=concentration,
            overlap=self.orthogonality,
            smoothness=self.smoothness,
            closed=bool(self.sum_to_one),
        )

    def _blocks(self, X: MatrixLike, reset: bool) -> BlockMatrix:
        blocks = super()._blocks(X, reset)
        if blocks.row_scale is not None:
            raise ValueError(
                f"{type(self).__name__} was given data that are scaled, expected "
                "counts: the Poisson likelihood weighs them itself. Use "
                "normalize_poissonian_noise=False."
            )
        return blocks

    def _keep(self, found: PoissonFactorisation) -> None:
        state = found.outcome.state
        self._state = replace(state, A=np.empty((0, state.n_components)))
        self._fitted_model = replace(found.model, neighbours=None)
        self.alpha_ = state.alpha
        self.concentration_ = found.model.concentration
        self.deviance_ = found.deviance

    def _fit_beta(
        self,
        blocks: BlockMatrix,
        n_components: int,
        generator: np.random.Generator,
        monitor: Monitor,
    ) -> Factorisation:
        summary = refuse_bad_blocks(blocks)
        if self.beta == 0 and summary.minimum <= 0:
            raise ValueError(
                f"beta=0 needs positive data, but {summary.minimum:g} was found at "
                f"{summary.minimum_at}. Use a larger beta, or mask what is zero."
            )
        init = "spa" if self.init == "auto" else self.init
        fit = fit_beta(
            blocks,
            n_components,
            self.beta,
            init,
            self.max_iter,
            self.tol,
            generator,
            monitor,
        )
        self._floor = fit.outcome.state.least
        self.alpha_ = np.zeros(len(fit.S))
        self.concentration_ = None
        self.deviance_ = 2 * fit.outcome.objective
        return fit

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

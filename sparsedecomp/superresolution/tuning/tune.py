"""Parameters of a method by few trials: Bayesian optimisation."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.results import Result, drawn_by
from sparsedecomp.suggestions import check_choice
from sparsedecomp.superresolution.methods import METHODS
from sparsedecomp.superresolution.multiframe import prepare
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.registration.shifts import register
from sparsedecomp.superresolution.resolution.decorrelation import (
    decorrelation_resolution,
)
from sparsedecomp.superresolution.selection import held_out_samples
from sparsedecomp.superresolution.tuning.search import BayesianSearch

_logger = logging.getLogger(__name__)

OBJECTIVES = ("likelihood", "resolution", "resolution subject to likelihood")
# Objective of the first half of the trials, where it is not the objective itself.
_FIRST = {OBJECTIVES[2]: "likelihood"}


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Result):
    """The trials of `tune`, and the best one.

    Attributes
    ----------
    objective : str
        Objective of the search.
    names : tuple of str
        Names of the parameters.
    parameters : (n_trials, n_parameters) array
        Parameters of each trial.
    score : (n_trials,) array
        Negative log likelihood of a sample that was held out, less a constant.
    error : (n_trials,) array
        Standard error of the score.
    resolution : (n_trials,) array
        Resolution of the map; NaN where it was not determined.
    best : dict of str to float
        Parameters of the best trial, to be passed to `resolve`.
    chosen : int
        Number of the best trial.
    shifts : (n_frames, 2) array
        Shifts that all trials used.
    """

    objective: str
    names: tuple[str, ...]
    parameters: NDArray
    score: NDArray
    error: NDArray
    resolution: NDArray
    best: dict[str, float]
    chosen: int
    shifts: NDArray

    plot = drawn_by("plot_tuning")

    @property
    def admitted(self) -> NDArray:
        """Trials whose score is within one standard error of the best, as a mask."""
        best = np.argmin(self.score)
        return self.score <= self.score[best] + self.error[best]

    @property
    def summary(self) -> str:
        """Parameters of the best trial in one line."""
        best = ", ".join(f"{name} {value:.4g}" for name, value in self.best.items())
        return f"{best}: best of {len(self.score)} trials by {self.objective}"

    def _details(self) -> Iterator[str]:
        k = self.chosen
        yield (
            f"Score {self.score[k]:.4f} (best {self.score.min():.4f} +- "
            f"{self.error[np.argmin(self.score)]:.4f}), resolution "
            f"{self.resolution[k]:.3g}."
        )


def tune(
    Y: NDArray,
    shifts: ArrayLike | None,
    scale: float,
    bounds: dict[str, tuple[float, float]],
    *,
    objective: str = "likelihood",
    method: str = "vtv",
    n_trials: int = 20,
    resolution: Callable[[NDArray], float] | None = None,
    registration: bool = True,
    mask: NDArray | None = None,
    random_state: int = 0,
    **options: Any,
) -> Tuning:
    """Choose parameters of `resolve` by Bayesian optimisation.

    A sixteenth of the samples is held out. Every trial makes a map of the others, and
    its score is the likelihood of the samples held out, with noise of unknown variance
    for each factor. The next trial is where a Gaussian process expects the largest
    improvement [1]_.

    The resolution alone is a poor objective: a map of steps, and noise, look sharp.
    "resolution subject to likelihood" takes the sharpest map that predicts as well as
    the best one within its standard error.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames on a few factors, see `factors_of`.
    shifts : (n_frames, 2) array or None
        Shifts of rows and columns in pixels of the frames; None finds them.
    scale : float
        Step of the frames over that of the fine map.
    bounds : dict of str to (float, float)
        Least and largest value of every parameter that is varied, for instance
        ``{"weight": (0.05, 20), "psf": (0, 1.5)}``. Ranges of a factor of ten and more
        are searched logarithmically.
    objective : {"likelihood", "resolution", "resolution subject to likelihood"}
        Quantity that is optimised.
    method : str, default "vtv"
        Method of `resolve`.
    n_trials : int, default 20
        Largest number of trials.
    resolution : callable, optional
        Returns a length, or NaN where it is not determined, for fine maps (H, W,
        n_factors). Default: `decorrelation_resolution` of the factor that varies most,
        in pixels of the fine map.
    registration : bool, default True
        Refine the shifts, once, before the trials. Frames that show something else are
        left out, and differences of gain are corrected.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    random_state : int, default 0
        Seed of the trials.
    **options : object
        Further arguments of `resolve`, the same in all trials.

    Returns
    -------
    Tuning
        All trials, and the best one.

    Raises
    ------
    ValueError
        For unknown objectives and parameters, bounds that are no range, and fewer than
        three trials.

    References
    ----------
    .. [1] D. R. Jones, M. Schonlau and W. J. Welch, J. Global Optim. 13 (1998) 455,
       equation 15.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import tune
    >>> y, x = np.mgrid[:10, :10]
    >>> shifts = [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]
    >>> Y = np.stack([np.sin(y + a) * np.cos(x + b) for a, b in shifts])[..., None]
    >>> Y += 0.2 * np.random.default_rng(0).normal(size=Y.shape)
    >>> tuning = tune(
    ...     Y, shifts, 2.0, {"weight": (0.01, 10)}, method="tikhonov", n_trials=5
    ... )
    >>> 0.01 < tuning.best["weight"] < 10
    True
    """
    _check(bounds, objective, n_trials, method)
    fixed = {k: options.pop(k) for k in ("origin", "shape") if k in options}
    finish = {k: options.pop(k) for k in ("nonnegative", "callback") if k in options}
    options.pop("prior", None)
    if not options.get("psf"):
        options.pop("psf", None)
    Y = np.ascontiguousarray(Y)
    if registration or shifts is None:
        found = register(Y, shifts, mask=mask, differences=("frames", "intensity"))
        Y = found.intensities.apply(Y[found.kept])
        shifts = found.shifts[found.kept]
        mask = None if mask is None else mask[found.kept]
    used = np.asarray(shifts, float)
    mask = np.zeros(Y.shape[:3], bool) if mask is None else np.asarray(mask, bool)
    # Other samples than those that the methods are compared by.
    out = np.roll(held_out_samples(mask), (2, 1), axis=(1, 2)) & ~mask
    prepared = prepare(
        Y, used, scale, mask=mask, held_out=out, registration=False, **fixed
    )
    strongest = int(np.argmax(Y[~mask].var(axis=0)))

    def trial(parameters: dict[str, float]) -> tuple[float, float, float]:
        given = METHODS.complete(method, options | parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fine = prepared.resolve(method, given, scored=False, **finish)
        A = FrameOperator(fine.geometry, psf=fine.psf)
        held = out & ~A.mask
        squares = np.square(A.forward(fine.maps)[held] - Y[held], dtype=float)
        mean = np.maximum(squares.mean(axis=0), np.finfo(float).tiny)
        each = 0.5 * (squares / mean).mean(axis=1)
        error = each.std() / np.sqrt(len(each))
        if resolution is None:
            length = decorrelation_resolution(fine.maps[..., strongest]).value
        else:
            length = float(resolution(fine.maps))
        return 0.5 * np.log(mean).mean(), error, length

    n_first = min(2 * len(bounds) + 2, n_trials - 1)
    search = BayesianSearch(bounds, n_first, random_state)
    tried: list[dict[str, float]] = []
    table = np.empty((0, 3))
    for k in range(n_trials):
        # The best score must be known before it can be a limit.
        aim = objective if k >= n_trials // 2 else _FIRST.get(objective, objective)
        parameters = search.propose(*_aim(table, aim))
        if search.settled and aim == objective:
            break
        tried.append(parameters)
        table = np.vstack([table, trial(parameters)])
        _logger.info("trial %d: %s, score %.4f", k, parameters, table[-1, 0])
    score, error, length = table.T
    chosen = _choose(score, error, length, objective)
    return Tuning(
        objective=objective,
        names=tuple(bounds),
        parameters=np.array([list(each.values()) for each in tried]),
        score=score,
        error=error,
        resolution=length,
        best=tried[chosen],
        chosen=chosen,
        shifts=used,
    )


def _aim(table: NDArray, objective: str) -> tuple[Any, ...]:
    """Values to minimise; with a second objective, its values and their limit."""
    score, error, length = table.T
    if objective == "likelihood" or not np.isfinite(length).any():
        return (score,)
    length = np.where(np.isfinite(length), length, 1.5 * np.nanmax(length))
    if objective == "resolution":
        return (length,)
    best = int(np.argmin(score))
    return length, score, score[best] + error[best]


def _choose(score: NDArray, error: NDArray, length: NDArray, objective: str) -> int:
    """Number of the best trial by an objective."""
    table = np.stack([score, error, length], axis=1)
    values, *limits = _aim(table, objective)
    if limits:
        values = np.where(limits[0] <= limits[1], values, np.inf)
    return int(np.argmin(values))


def _check(
    bounds: dict[str, tuple[float, float]], objective: str, n_trials: int, method: str
) -> None:
    check_choice("objective", objective, OBJECTIVES)
    if n_trials < 3:
        raise ValueError(f"n_trials={n_trials!r}, expected at least 3.")
    if not bounds:
        raise ValueError(
            "No bounds were given, expected those of at least one parameter, for "
            "instance {'weight': (0.05, 20)}."
        )
    known = METHODS.find(method).parameters
    for name, (low, high) in bounds.items():
        if name not in known:
            raise ValueError(
                f"{name!r} is no parameter of method={method!r}, expected one of "
                f"{', '.join(known) or 'none: it has no parameters'}."
            )
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(
                f"The bounds of {name!r} are ({low}, {high}), expected the least and "
                "the largest value."
            )

"""Methods and their parameters chosen by samples that no solver has seen."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.method_table import load
from sparsedecomp.superresolution.methods import METHODS, Method
from sparsedecomp.superresolution.observation.operators import FrameOperator, Tile

# One sample of every 4 x 4 of a frame is held out. The tiles of the posterior are
# multiples of four pixels, so that all of them still see one arrangement of samples.
_PERIOD = 4
# Largest side, in pixels of the fine grid, of the field that the choice is made on. A
# larger one makes the choice surer and takes longer.
_FIELD = 256
# Ratio of the weights that are compared.
_FACTOR = 2.0
# Iterations of a solver at each of these weights. The next weight starts from the map
# of the last one, so that few are needed.
_ITERATIONS = 120
# The methods of `METHODS` that every choice is compared with, and the two that
# method="auto" mixes.
_BASELINE = ("interpolation", "gaussian_process")
_MIXED = ("gaussian_process", "vtv")
# A smaller share of one method in a mixture is not worth the time of its solution.
_LEAST_SHARE = 0.05
# Frames hold something where samples held out are predicted this much better than by
# their mean.
_NOTHING = 0.99


class Choice(NamedTuple):
    """The method that makes the map, and its parameters.

    Attributes
    ----------
    method : str
        Name in `METHODS`, or "mixture".
    parameters : dict of str to object
        All parameters of the method; of a mixture, those of total variation.
    share : float or None
        Share of total variation in a mixture.
    scores : dict of str to float
        Root mean square error of each method at the samples held out.
    fallback : str
        Why interpolation was chosen; else empty.
    """

    method: str
    parameters: dict[str, Any]
    share: float | None
    scores: dict[str, float]
    fallback: str


def choose(
    A: FrameOperator,
    Y: NDArray,
    processes: Sequence[Process],
    name: str,
    parameters: dict[str, Any],
) -> Choice:
    """Find the parameters that were not given and, for "auto", the method.

    Parameters
    ----------
    A : FrameOperator
        Operator of all frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames in units of their noise.
    processes : sequence of Process
        Covariance of each factor.
    name : str
        Name of the method in `METHODS`.
    parameters : dict of str to object
        Its parameters; those that are None are found.

    Returns
    -------
    Choice

    Warns
    -----
    UserWarning
        Where nothing in the frames stands above their noise.
    """
    trial = Trial(A, Y, processes)
    by_mean = trial.error(trial.truth.mean(axis=0))
    if by_mean > 0 and min(trial.scores.values()) > _NOTHING * by_mean:
        warnings.warn(
            "The samples held out are predicted no better than by their mean: nothing "
            "in the frames stands above the noise, and neither shifts nor a finer map "
            "can be found from them.",
            UserWarning,
            stacklevel=3,
        )
    if name != "auto":
        if name not in _BASELINE:
            parameters = trial.score(METHODS[name], **parameters)
        return Choice(name, parameters, None, trial.scores, "")
    # Where a spot is to be taken off, only methods that do so compete.
    candidates = [
        method
        for method in METHODS.values()
        if method.in_auto and not (A.psf and "psf" not in method.parameters)
    ]
    chosen: dict[str, dict[str, Any]] = {}
    for method in candidates:
        own = {k: v for k, v in parameters.items() if k in method.parameters}
        baseline = method.name in _BASELINE
        chosen[method.name] = own if baseline else trial.score(method, **own)
    ranked, share = list(chosen), None
    if not A.psf:
        share = trial.share(*_MIXED)
        best = _MIXED[0] if share < _LEAST_SHARE else _MIXED[1]
        if _LEAST_SHARE <= share <= 1 - _LEAST_SHARE:
            best, chosen["mixture"] = "mixture", chosen[_MIXED[1]]
        ranked = [best, *(each for each in ranked if each not in _MIXED)]
    best = min([*ranked, "interpolation"], key=trial.scores.__getitem__)
    fallback = (
        "Interpolation predicts the samples held out better than every model: it was "
        "used instead."
    )
    return Choice(
        best,
        chosen.get(best, {}),
        share if best == "mixture" else None,
        trial.scores,
        fallback if best == "interpolation" else "",
    )


def held_out_samples(mask: NDArray) -> NDArray:
    """Samples to hold out: a sixteenth of each frame, at other places in each.

    Parameters
    ----------
    mask : (n_frames, rows, columns) bool array
        True for samples that do not exist.

    Returns
    -------
    bool array of the same shape
    """
    n_frames, h, w = mask.shape
    order = np.random.default_rng(0).permutation(_PERIOD**2)
    place = order[np.arange(n_frames) % _PERIOD**2]
    rows = np.arange(h) % _PERIOD == (place // _PERIOD)[:, None]
    columns = np.arange(w) % _PERIOD == (place % _PERIOD)[:, None]
    return rows[:, :, None] & columns[:, None, :] & ~mask


class Trial:
    """Methods on the middle of the map, scored by samples that they have not seen.

    Parameters
    ----------
    A : FrameOperator
        Operator of the whole map.
    Y : (n_frames, rows, columns, n_factors) array
        Frames in units of their noise.
    processes : sequence of Process
        Covariance of each factor.

    Attributes
    ----------
    A : FrameOperator
        Operator of the middle of the map, without the samples held out.
    Y : array
        The part of the frames that belongs to it.
    start : array
        Posterior mean of one Gaussian process, from which solvers start.
    truth : array
        The samples held out.
    scores : dict of str to float
        Root mean square error of each method at the samples held out.
    predictions : dict of str to array
        What each method predicts for them.
    """

    def __init__(
        self, A: FrameOperator, Y: NDArray, processes: Sequence[Process]
    ) -> None:
        tile = _middle(A)
        self.Y = tile.samples(Y)
        self.processes = processes
        self._whole = tile.operator
        # Methods that do not deconvolve give the map as the spot sees it.
        self._as_seen = FrameOperator(
            self._whole.geometry, mask=self._whole.mask, kernel=A.kernel
        )
        self._left_out = held_out_samples(self._whole.mask)
        self.A = self._whole.without(self._left_out)
        self.truth = self.Y[self._left_out]
        self.scores: dict[str, float] = {}
        self.predictions: dict[str, NDArray] = {}
        for name in _BASELINE:
            self.score(METHODS[name])

    def score(self, method: Method, **parameters: Any) -> dict[str, Any]:
        """Score a method, and find those of its parameters that are None.

        Parameters
        ----------
        method : Method
            Entry of `METHODS`.
        **parameters : object
            Its parameters; those that are missing have their defaults.

        Returns
        -------
        dict of str to object
            All parameters of the method.
        """
        parameters = {**method.parameters, **parameters}
        given = {k: v for k, v in parameters.items() if k not in ("psf", "max_iter")}
        if method.kind == "posterior":
            x, _, found = method.load()(
                self.A.geometry, self.Y, self.processes, self.A.mask, at=self._left_out
            )
            predicted = found[self._left_out]
            if method.name in _BASELINE:
                self.start = x
        elif method.kind == "direct":
            x = method.load()(self.A.geometry, self.Y, self.A.mask)
            predicted = self._as_seen.forward(x)[self._left_out]
        elif method.select:
            found, predicted = load(method.select)(self, **given)
            parameters |= found
        else:
            predicted = self.predict(self.solve(method.load(), **parameters))
        self._keep(method.name, predicted)
        return parameters

    def solve(self, solver: Callable[..., Any], *args: Any, **options: Any) -> NDArray:
        """Map by a solver, from the posterior mean unless another start is given.

        Parameters
        ----------
        solver : callable
            As in `Method`.
        *args, **options : object
            Its parameters.

        Returns
        -------
        (H, W, n_factors) array
        """
        options = {"start": self.start, "callback": None} | options
        options.pop("psf", None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = solver(self.A, self.Y, *args, **options)
        if getattr(solution, "interrupted", False):
            # A trial is no result that could be kept.
            raise KeyboardInterrupt
        return solution.x

    def predict(self, x: NDArray) -> NDArray:
        """Samples held out as a map predicts them.

        Parameters
        ----------
        x : (H, W, n_factors) array
            Map of a method that deconvolves.

        Returns
        -------
        (n_samples, n_factors) array
        """
        return self._whole.forward(x)[self._left_out]

    def error(self, predicted: NDArray) -> float:
        """Root mean square error of predictions, over samples and factors.

        Parameters
        ----------
        predicted : (n_samples, n_factors) array
            Samples held out as a method predicts them.

        Returns
        -------
        float
        """
        away = np.square(predicted - self.truth, dtype=float)
        return float(np.sqrt(away.mean()))

    def _keep(self, name: str, predicted: NDArray) -> None:
        self.predictions[name] = predicted
        self.scores[name] = self.error(predicted)

    def select_weight(
        self, solver: Callable[..., Any], first: float, weight: float | None
    ) -> tuple[dict[str, float], NDArray]:
        """Weight of a solver that predicts the samples held out best.

        Weights are doubled or halved from the first on, in the direction that helps;
        the result is the vertex of the parabola through the best three.

        Parameters
        ----------
        solver : callable
            ``solver(A, Y, weight, start=, max_iter=)``.
        first : float
            Weight to begin with.
        weight : float or None
            Weight that was given, which is only scored.

        Returns
        -------
        parameters : dict of str to float
            The weight.
        predicted : (n_samples, n_factors) array
            What the best weight that was tried predicts.
        """
        x, tried = self.start, {}

        def predicted_at(value: float) -> NDArray:
            nonlocal x
            x = self.solve(solver, value, start=x, max_iter=_ITERATIONS)
            return self.predict(x)

        def error_at(step: int) -> float:
            if step not in tried:
                predicted = predicted_at(first * _FACTOR**step)
                tried[step] = self.error(predicted), predicted
            return tried[step][0]

        if weight is not None:
            return {"weight": weight}, predicted_at(weight)
        best = self.least_step(error_at)
        low, middle, high = (error_at(best + d) ** 2 for d in (-1, 0, 1))
        bend = low - 2 * middle + high
        vertex = 0.5 * (low - high) / bend if bend > 0 else 0.0
        weight = float(first * _FACTOR ** (best + np.clip(vertex, -0.5, 0.5)))
        return {"weight": weight}, tried[best][1]

    @staticmethod
    def least_step(error_at: Callable[[int], float], most: int = 8) -> int:
        """Step of least error, downhill from 0 on.

        Parameters
        ----------
        error_at : callable
            Error of a step, a whole number.
        most : int, default 8
            Largest distance from 0.

        Returns
        -------
        int
        """
        best = 0
        for direction in (1, -1):
            while abs(best) < most and error_at(best + direction) < error_at(best):
                best += direction
        return best

    def share(self, one: str, other: str) -> float:
        """Share of the second method in the mixture of two that predicts best.

        Parameters
        ----------
        one, other : str
            Methods that were scored before.

        Returns
        -------
        float
            From 0 to 1.
        """
        a, b = self.predictions[one], self.predictions[other]
        apart = (b - a).astype(float)
        square = float(np.square(apart).sum())
        part = 0.0
        if square:
            part = float(np.clip((apart * (self.truth - a)).sum() / square, 0, 1))
        self._keep("mixture", (1 - part) * a + part * b)
        return part


def _middle(A: FrameOperator) -> Tile:
    """The middle of the map, or all of it where it is small."""
    core = [
        (max((n - _FIELD) // 2, 0), min((n + _FIELD) // 2, n)) for n in A.geometry.shape
    ]
    return A.piece(core, 0)

"""Methods and weights chosen by samples that no solver has seen."""

from __future__ import annotations

import warnings

import numpy as np

from sparsedecomp.superresolution.gaussian_process.kriging import posterior
from sparsedecomp.superresolution.gaussian_process.oriented import oriented_posterior
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.solvers.compound_field import ORDERS, compound_mrf
from sparsedecomp.superresolution.solvers.interpolation import interpolate
from sparsedecomp.superresolution.solvers.sparse_coding import (
    code_patches,
    dictionary_for,
    polish,
)
from sparsedecomp.superresolution.solvers.variational import tikhonov, total_variation

METHODS = (
    "auto",
    "gaussian_process",
    "oriented_process",
    "vtv",
    "tikhonov",
    "sparse",
    "bayes_cmrf",
    "interpolation",
)
# Posterior means; the others are solved for.
PROCESSES = ("gaussian_process", "oriented_process")
# One sample of every 4 x 4 of a frame is held out. Tiles of the posterior are multiples
# of four, so that all still see one arrangement.
_PERIOD = 4
# Pixels of the fine grid that the choice is made on, along each axis.
_FIELD = 256
_FIRST = 0.5
_FACTOR = 2.0
_ITERATIONS = 120
# Pull of sparse codes against the samples, in units of the noise.
_PULLS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5)


def held_out_samples(mask):
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
    """Solvers on the middle of the map, scored by the samples they have not seen.

    Parameters
    ----------
    A : FrameOperator
    Y : (n_frames, rows, columns, n_factors) array
    processes : sequence of Process
        Of each factor.
    """

    def __init__(self, A, Y, processes):
        tile = _middle(A)
        self.Y = tile.samples(Y)
        self.processes = processes
        self.whole = tile.operator
        self.left_out = held_out_samples(self.whole.mask)
        self.A = self.whole.without(self.left_out)
        # The posterior is the map as the spot sees it.
        self.seen = FrameOperator(
            self.whole.geometry, mask=self.whole.mask, kernel=A.kernel
        )
        self.scores, self.found = {}, {}

    def predicted(self, x, operator=None):
        """What a map says about the samples held out."""
        return (operator or self.whole).forward(x)[self.left_out]

    def error(self, predicted):
        """Root mean square over samples and factors."""
        truth = self.Y[self.left_out]
        return float(np.sqrt(np.square(predicted - truth, dtype=float).mean()))

    def keep(self, name, predicted):
        """Score a method."""
        self.found[name] = predicted
        self.scores[name] = self.error(predicted)

    def interpolation(self):
        """Score the baseline."""
        x = interpolate(self.A.geometry, self.Y, self.A.mask)
        self.keep("interpolation", self.predicted(x, self.seen))

    def gaussian_process(self):
        """Score the posterior mean; later solvers start from its map."""
        given = self.A.geometry, self.Y, self.processes, self.A.mask
        self.start, _, found = posterior(*given, at=self.left_out)
        self.keep("gaussian_process", found[self.left_out])

    def oriented_process(self):
        """Score the posterior of strength and direction by place."""
        given = self.A.geometry, self.Y, self.processes, self.A.mask
        _, _, found = oriented_posterior(*given, at=self.left_out)
        self.keep("oriented_process", found[self.left_out])

    def weight(self, method):
        """Weight of a solver that predicts the samples held out best.

        Steps of two from half the noise, in the direction that helps, then the
        vertex of the parabola through the best three.
        """
        solve = {"vtv": total_variation, "tikhonov": tikhonov}[method]
        noise = np.sqrt(np.mean([p.noise for p in self.processes]))
        signal = np.sqrt(np.mean([p.variance for p in self.processes]))
        first = _FIRST * max(noise, 0.01 * signal) if method == "vtv" else 0.1
        errors, x = {}, self.start

        def at(step):
            nonlocal x
            if step not in errors:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    x = solve(
                        self.A,
                        self.Y,
                        first * _FACTOR**step,
                        start=x,
                        max_iter=_ITERATIONS,
                    ).x
                errors[step] = self.error(self.predicted(x)), self.predicted(x)
            return errors[step][0]

        best = _least(at)
        low, middle, high = (at(best + d) ** 2 for d in (-1, 0, 1))
        bend = low - 2 * middle + high
        vertex = 0.5 * (low - high) / bend if bend > 0 else 0.0
        self.keep(method, errors[best][1])
        return first * _FACTOR ** (best + float(np.clip(vertex, -0.5, 0.5)))

    def sparse(self, dictionary=None, weight=None):
        """Penalty of sparse codes that predicts best, and the pull towards them.

        Penalties in steps of two from the noise on, in the direction that helps; the
        strongest pull whose square error is within one standard error of the least.
        """
        D = dictionary_for(self.A.geometry, dictionary)
        size, errors = int(np.sqrt(D.shape[1])), {}

        def predictions(penalty, stride):
            coded = x = code_patches(
                self.A, self.Y, D, penalty, stride=stride, otherwise=self.start
            )
            found = []
            for pull in _PULLS:
                x = polish(self.A, self.Y, coded, pull, start=x).x
                found.append(self.predicted(x))
            return found

        def at(step):
            if step not in errors:
                found = predictions(_FACTOR**step, size // 2)
                errors[step] = min(self.error(each) for each in found)
            return errors[step]

        penalty = weight or _FACTOR ** _least(at)
        tried = predictions(penalty, size // 4)
        squares = np.square(np.array(tried, float) - self.Y[self.left_out])
        squares = squares.reshape(len(tried), -1)
        more = squares - squares[squares.mean(axis=1).argmin()]
        near = more.mean(axis=1) <= more.std(axis=1) / np.sqrt(more.shape[1])
        first = int(near.argmax())
        self.keep("sparse", tried[first])
        return penalty, _PULLS[first]

    def compound_field(self, order=None):
        """Order of the differences of the compound field that predicts best."""
        found = {}
        for each in ORDERS if order is None else (order,):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                x = compound_mrf(self.A, self.Y, each, start=self.start).x
            found[each] = self.predicted(x)
        order = min(found, key=lambda each: self.error(found[each]))
        self.keep("bayes_cmrf", found[order])
        return order

    def share(self, one, other):
        """Part of ``other`` in the mixture of two methods that predicts best."""
        truth = self.Y[self.left_out]
        a, b = self.found[one], self.found[other]
        apart = (b - a).astype(float)
        square = float(np.square(apart).sum())
        part = (
            float(np.clip((apart * (truth - a)).sum() / square, 0, 1))
            if square
            else 0.0
        )
        self.keep("mixture", (1 - part) * a + part * b)
        return part


def _least(at, most=8):
    """Step of least error, downhill from 0 on."""
    best = 0
    for direction in (1, -1):
        while abs(best) < most and at(best + direction) < at(best):
            best += direction
    return best


def _middle(A):
    """The middle of the map, or all of it where it is small."""
    core = [
        (max((n - _FIELD) // 2, 0), min((n + _FIELD) // 2, n)) for n in A.geometry.shape
    ]
    return A.piece(core, 0)

"""Methods and parameters chosen by the part of the data that no method has seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from sparsedecomp.restoration.methods import METHODS, Denoiser
from sparsedecomp.superresolution.method_table import MethodTable

SHARE = 0.8
"""Part of the counts that methods see; the others judge them."""
# Steps of a parameter on each side of its first value, at most.
_STEPS = 4
# A smaller share in a mixture is not worth the time of its method.
_LEAST_SHARE = 0.05
# A factor is kept, a mixture taken, where it improves the prediction by more than so
# many standard deviations of what chance alone does.
_SURE = 2.0


@dataclass
class Split:
    """Maps in two independent parts, each scaled to white noise of variance one.

    Attributes
    ----------
    seen : (rows, columns, n_factors) array
        Maps of the larger part, that methods restore.
    held_out : (rows, columns, n_factors) array
        Maps of the smaller part, that judge them.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    metric : (n_factors, n_factors) array
        Matrix L; the square of an error of the data, summed over the channels, is that
        of ``row_scale * (error of the maps) @ L``.
    cross : (rows, columns, n_factors) array
        Product of the data held out with `row_scale` and the spectra of the factors. It
        holds what the factors cannot reach, too.
    """

    seen: NDArray
    held_out: NDArray
    row_scale: NDArray
    metric: NDArray
    cross: NDArray

    @property
    def ratio(self) -> float:
        """Signal of the part held out over that of the part seen."""
        return float(np.sqrt((1 - SHARE) / SHARE))

    def restored(self, function: Callable[..., NDArray], **parameters: Any) -> NDArray:
        """What a method makes of the part seen.

        Parameters
        ----------
        function : callable
            The method.
        **parameters : object
            Its parameters.

        Returns
        -------
        (rows, columns, n_factors) array
        """
        return function(self.seen, **parameters)

    def weighted(self, maps: NDArray) -> NDArray:
        """Maps whose squares are those of the data in their own units.

        Errors count in the units of the data, not of the noise: otherwise what is
        nearly empty would decide.

        Parameters
        ----------
        maps : (rows, columns, n_factors) array
            Maps in units of the noise.

        Returns
        -------
        (rows, columns, n_factors) float64 array
        """
        return self.row_scale[..., None] * (maps.astype(float) @ self.metric)

    def error(self, restored: NDArray) -> float:
        """Mean square error of a prediction, less that of the noise held out.

        It is an unbiased estimate up to a constant that is the same for all methods:
        zero for a prediction of zero.

        Parameters
        ----------
        restored : (rows, columns, n_factors) array
            What a method made of `seen`.

        Returns
        -------
        float
            For a pixel, in the squared units of the data.
        """
        predicted = self.ratio * self.weighted(restored)
        overlap = self.ratio * np.vdot(restored.astype(float), self.cross)
        change = np.vdot(predicted, predicted) - 2 * overlap
        pixels = restored.shape[0] * restored.shape[1]
        return float(change / pixels / (1 - SHARE))

    def chance(self, one: NDArray, other: NDArray) -> float:
        """Standard deviation of the difference of two errors by the noise held out.

        Parameters
        ----------
        one, other : (rows, columns, n_factors) array
            What two methods made of `seen`.

        Returns
        -------
        float
            In the units of `error`.
        """
        change = self.ratio * self.weighted(one - other) @ self.metric.T
        change *= self.row_scale[..., None]
        pixels = one.shape[0] * one.shape[1]
        return float(2 * np.linalg.norm(change) / pixels / (1 - SHARE))

    def part(self, rows: slice, columns: slice, n_factors: int) -> Split:
        """A part of the field, and the leading factors only.

        Parameters
        ----------
        rows, columns : slice
            Part of the field.
        n_factors : int
            Number of factors that are kept.

        Returns
        -------
        Split
        """
        n = n_factors
        return Split(
            np.ascontiguousarray(self.seen[rows, columns, :n]),
            np.ascontiguousarray(self.held_out[rows, columns, :n]),
            self.row_scale[rows, columns],
            np.linalg.cholesky((self.metric @ self.metric.T)[:n, :n]),
            self.cross[rows, columns, :n].astype(float),
        )

    def n_factors(self, restored: NDArray, least: int) -> int:
        """Number of leading factors that improve the prediction.

        Parameters
        ----------
        restored : (rows, columns, n_factors) array
            What a method made of `seen`.
        least : int
            Number of factors that are kept without a test.

        Returns
        -------
        int
        """
        predicted = self.ratio * restored.astype(float)
        gain = 2 * predicted * self.held_out - np.square(predicted)
        total = gain.sum(axis=(0, 1))
        chance = 2 * np.sqrt(np.square(predicted).sum(axis=(0, 1)))
        good = np.flatnonzero(total > _SURE * chance)
        return max(least, int(good.max()) + 1 if len(good) else 1)


@dataclass(frozen=True)
class Candidate:
    """A method with its parameters, and how well it predicted what was held out.

    Attributes
    ----------
    method : str
        Name in `METHODS`.
    parameters : dict of str to object
        All its parameters.
    error : float
        See `Split.error`.
    restored : array
        What it made of the part seen.
    """

    method: str
    parameters: dict[str, Any]
    error: float
    restored: NDArray = field(repr=False)


@dataclass(frozen=True)
class Choice:
    """What restores the data, and what it was compared with.

    Attributes
    ----------
    shares : dict of str to float
        Share of each method in the result.
    parameters : dict of str to dict
        Parameters of each method that was tried.
    errors : dict of str to float
        Mean square error of each method, and of the mixture as "mixture", at what was
        held out: of a pixel in squared units of the data, less that of the best single
        method.
    error : float
        `Split.error` of what was chosen.
    """

    shares: dict[str, float]
    parameters: dict[str, dict[str, Any]]
    errors: dict[str, float]
    error: float = 0.0

    methods = METHODS

    def __str__(self) -> str:
        shares = sorted(self.shares.items(), key=lambda each: -each[1])
        if len(shares) == 1:
            return shares[0][0]
        return " + ".join(f"{share:.2f} {name}" for name, share in shares)

    def apply(self, Z: NDArray) -> NDArray:
        """Restore maps with white noise of variance one.

        Parameters
        ----------
        Z : (rows, columns, n_factors) array
            Maps.

        Returns
        -------
        (rows, columns, n_factors) array
            Restored maps.
        """
        total = np.zeros(Z.shape, np.float32)
        for name, share in self.shares.items():
            function = self.methods[name].load()
            restored = self._restored(function, Z, self.parameters[name])
            total += np.float32(share) * restored
        return total

    def _restored(
        self, function: Callable[..., NDArray], Z: NDArray, parameters: dict[str, Any]
    ) -> NDArray:
        return function(Z, **parameters)


def choose(
    split: Split,
    name: str,
    given: Mapping[str, Any],
    methods: MethodTable[Any] = METHODS,
) -> Choice:
    """Find the parameters that are None and, for "auto", the mixture of methods.

    Parameters
    ----------
    split : Split
        The data in two parts.
    name : str
        Name in the table.
    given : dict of str to object
        Parameters of the method as the user gave them.
    methods : MethodTable, default `METHODS`
        The table.

    Returns
    -------
    Choice
    """
    tuned: dict[str, Candidate] = {}

    def candidate(method: Denoiser, parameters: Mapping[str, Any]) -> Candidate:
        if method.after and any(value is None for value in parameters.values()):
            if method.after not in tuned:
                candidate(methods[method.after], methods[method.after].parameters)
            chosen = tuned[method.after].parameters
            parameters = {
                key: chosen.get(key) if value is None else value
                for key, value in parameters.items()
            }
        tuned[method.name] = _tuned(split, method, parameters)
        return tuned[method.name]

    if name == "auto":
        methods.complete(name, given)
        found = [candidate(m, m.parameters) for m in methods.values() if m.in_auto]
    else:
        method = methods.find(name)
        found = [candidate(method, methods.complete(name, given))]
    best = min(found, key=lambda each: each.error)
    shares, least = {best.method: 1.0}, best.error
    errors = {each.method: each.error for each in found}
    if len(found) > 1:
        kept = [c for c in found if methods[c.method].in_mixture or c is best]
        shares, least = _mixture(split, kept, best)
        errors["mixture"] = least
    errors = {method: error - best.error for method, error in errors.items()}
    parameters = {each.method: each.parameters for each in found}
    return Choice(shares, parameters, errors, least)


def _tuned(split: Split, method: Denoiser, parameters: Mapping[str, Any]) -> Candidate:
    """A method with the parameters that predict best."""
    function = method.load()
    free = [key for key in method.start if parameters[key] is None]
    tried: dict[tuple, Candidate] = {}

    def at(values: tuple) -> Candidate:
        if values not in tried:
            own = {**parameters, **dict(zip(free, values, strict=True))}
            restored = split.restored(function, **own)
            tried[values] = Candidate(method.name, own, split.error(restored), restored)
        return tried[values]

    best = min(
        itertools.product(*(method.start[key] for key in free)),
        key=lambda values: at(values).error,
    )
    if free and isinstance(best[0], float):
        for step in (method.factor, 1 / method.factor):
            for _ in range(_STEPS):
                further = (best[0] * step, *best[1:])
                if at(further).error >= at(best).error:
                    break
                best = further
    return at(best)


def _mixture(
    split: Split, kept: list[Candidate], best: Candidate
) -> tuple[dict[str, float], float]:
    """Shares of the methods, adding up to one, that predict best together."""
    while True:
        # What each method changes of the best one, against what that one lacks.
        others = [each for each in kept if each is not best]
        if not others:
            return {best.method: 1.0}, best.error
        base = split.ratio * split.weighted(best.restored)
        A = np.stack(
            [(split.ratio * split.weighted(c.restored) - base).ravel() for c in others],
            axis=1,
        )
        overlap = [
            split.ratio * np.vdot(each.restored - best.restored, split.cross)
            for each in others
        ]
        right = np.array(overlap) - A.T @ base.ravel()
        shares = _simplex_least_squares(A.T @ A, right)
        weak = {id(c) for c, s in zip(others, shares, strict=True) if s < _LEAST_SHARE}
        if 1 - shares.sum() < _LEAST_SHARE and not weak:
            # The best one alone has no part: the others share it among them.
            shares = shares / shares.sum()
        if not weak:
            break
        kept = [each for each in kept if id(each) not in weak]
    mixed = {each.method: float(s) for each, s in zip(others, shares, strict=True)}
    rest = 1 - sum(mixed.values())
    if rest >= _LEAST_SHARE:
        mixed[best.method] = rest
    by_name = {each.method: each for each in kept}
    restored = np.zeros_like(best.restored)
    for name, share in mixed.items():
        restored += np.float32(share) * by_name[name].restored
    error = split.error(restored)
    if best.error - error < _SURE * split.chance(best.restored, restored):
        return {best.method: 1.0}, best.error
    return mixed, error


def _simplex_least_squares(gram: NDArray, right: NDArray) -> NDArray:
    """Shares w >= 0 with a sum of at most one that minimise w'Gw - 2 w'b."""
    n = len(right)
    scale = max(float(np.trace(gram)) / n, np.finfo(float).tiny)
    L = np.linalg.cholesky(gram + 1e-9 * scale * np.eye(n))
    rhs = np.linalg.solve(L, right)
    shares = nnls(L.T, rhs)[0]
    if shares.sum() > 1:
        heavy = 1e4 * np.sqrt(scale)
        shares = nnls(np.vstack([L.T, heavy * np.ones(n)]), np.append(rhs, heavy))[0]
    return shares

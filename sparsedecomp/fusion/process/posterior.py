"""Posterior of coefficients on the fine grid, by tiles of the coarse one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.components import Component, Window
from sparsedecomp.fusion.process.evidence import Amplitudes, fit_amplitudes
from sparsedecomp.superresolution.threads import in_threads

# Pixels whose evidence chooses the amplitudes.
_SAMPLE = 256
# Coarse pixels that are solved together at most; a Cholesky factorisation of so many
# takes a tenth of a second. Beyond, the field is cut into tiles that overlap.
_MOST = 1300
_TILE, _OVERLAP = 24, 8
# Beyond so many coefficients of the fine field they are held in single precision.
_LARGE = 10_000_000
# Fine pixels of a tile whose variance is computed exactly; that of the others is
# interpolated between them.
_EXACT = 300


@dataclass(frozen=True, eq=False)
class Process:
    """Gaussian processes of all coefficients.

    Attributes
    ----------
    components : list of component
        What the processes are sums of.
    amplitudes : list of Amplitudes
        Variances, one for each coefficient, in units of its own variance.
    """

    components: list[Component]
    amplitudes: list[Amplitudes]

    @classmethod
    def fit(cls, problem: Problem, components: list[Component]) -> Process:
        """Choose the amplitudes by the evidence of a sample of the coarse pixels.

        Parameters
        ----------
        problem : Problem
            Coefficients of the coarse pixels, and their noise.
        components : list of component
            What the processes are sums of.

        Returns
        -------
        Process
            Processes of all coefficients.
        """
        rng = np.random.default_rng(5)
        sample = np.sort(rng.permutation(problem.trusted)[:_SAMPLE])
        covariances = [each.covariance(sample, sample) for each in components]
        mean_noise = float(problem.noise.mean())
        noise = problem.noise[sample] / mean_noise
        flat, scale = problem.flat[sample], problem.scale

        def one(k: int) -> Amplitudes:
            expected = mean_noise / scale[k] ** 2
            return fit_amplitudes(flat[:, k] / scale[k], covariances, noise, expected)

        with one_blas_thread():
            return cls(components, in_threads(one, range(flat.shape[1])))

    @property
    def evidence(self) -> float:
        """Sum of the log evidences of all coefficients."""
        return float(sum(each.evidence for each in self.amplitudes))

    def held_out(self, problem: Problem) -> float:
        """Root mean square error of pixels left out one by one, in units of noise."""
        errors = np.array([each.held_out for each in self.amplitudes])
        return float(np.sqrt((errors * problem.scale**2).mean() / problem.noise.mean()))

    def left_out(self, problem: Problem, pixels: NDArray) -> NDArray:
        """Errors of coarse pixels that are left out of a set one by one.

        Parameters
        ----------
        problem : Problem
            Coefficients of the coarse pixels.
        pixels : (n,) int array
            Numbers of the pixels of the set.

        Returns
        -------
        (n,) array
            Sum of squared errors over the coefficients, in units of the noise.
        """
        blocks = [each.covariance(pixels, pixels) for each in self.components]
        noise = problem.noise[pixels] / problem.noise.mean()
        total = np.zeros(len(pixels))
        for k, amplitudes in enumerate(self.amplitudes):
            K = np.diag(amplitudes.noise * noise)
            for part, block in zip(amplitudes.parts, blocks, strict=True):
                K += part * block
            inverse = np.linalg.inv(K)
            y = problem.flat[pixels, k]
            total += np.square((inverse @ y) / np.diag(inverse))
        return total / problem.noise[pixels]

    def posterior(
        self,
        problem: Problem,
        variance: bool = True,
        other: list[Component] | None = None,
    ) -> Solution:
        """Mean and variance of the coefficients on the fine grid.

        Parameters
        ----------
        problem : Problem
            Coefficients of the coarse pixels.
        variance : bool, default True
            Compute the variance as well.
        other : list of component, optional
            The same components for a guide with other noise; the mean with them and
            the same weights is ``details["other"]``.

        Returns
        -------
        Solution
            Coefficients of the fine pixels.
        """
        (H, W), p = problem.degradation.grids.fine, problem.flat.shape[1]
        sets = [self.components] if other is None else [self.components, other]
        dtype = np.float64 if H * W * p < _LARGE else np.float32
        means = [np.zeros((H, W, p), dtype) for _ in sets]
        weight = np.zeros((H, W, 1), dtype)
        spread = np.zeros((H, W, p), dtype) if variance else None
        tiles = list(tiles_of(problem))
        with one_blas_thread():
            parts = in_threads(lambda t: self._tile(problem, t, variance, sets), tiles)
        for tile, (found, deviation) in zip(tiles, parts, strict=True):
            fade = _fade(tile, problem)[..., None]
            for mean, own in zip(means, found, strict=True):
                mean[tile.fine] += fade * own
            weight[tile.fine] += fade
            if spread is not None:
                spread[tile.fine] += fade * deviation
        return Solution(
            means[0] / weight,
            None if spread is None else spread / weight,
            self.held_out(problem),
            self.evidence,
            {} if other is None else {"other": means[1] / weight},
        )

    def _tile(
        self,
        problem: Problem,
        tile: Window,
        variance: bool,
        sets: list[list[Component]],
    ) -> tuple[list[NDArray], NDArray | None]:
        members = tile.members(problem.degradation.grids.coarse[1])
        trusted = np.ones(len(members), bool)
        if problem.mask is not None:
            trusted = ~problem.mask.ravel()[members]
        known = members[trusted]
        blocks = [each.covariance(known, known) for each in self.components]
        mean_noise = problem.noise.mean()
        flat = problem.flat[known] / problem.scale
        n, p = flat.shape
        weights = np.zeros((len(members), p))
        exact = _Exact(self, problem, tile, known) if variance else None
        for k, amplitudes in enumerate(self.amplitudes):
            used = [q for q, a in enumerate(amplitudes.parts) if a > 0]
            K = np.zeros((n, n))
            for q in used:
                K += amplitudes.parts[q] * blocks[q]
            K[np.diag_indices(n)] += (
                amplitudes.noise * problem.noise[known] / mean_noise
            )
            factor = cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
            weights[trusted, k] = cho_solve(factor, flat[:, k], check_finite=False)
            if exact is not None:
                exact.add(k, factor[0])
        rows, columns = (s.stop - s.start for s in tile.fine)
        means = [np.zeros((rows, columns, p)) for _ in sets]
        for mean, components in zip(means, sets, strict=True):
            for q, component in enumerate(components):
                parts = np.array([a.parts[q] for a in self.amplitudes])
                on = np.flatnonzero(parts)
                if len(on):
                    mean[..., on] += component.predict(tile, weights[:, on] * parts[on])
            mean *= problem.scale
        spread = None if exact is None else exact.everywhere() * problem.scale**2
        return means, spread


class _Exact:
    """Posterior variance at some fine pixels of a tile, and a model for the others."""

    def __init__(
        self, process: Process, problem: Problem, tile: Window, known: NDArray
    ) -> None:
        self.process, self.tile, self.grids = process, tile, problem.degradation.grids
        rows, columns = (np.arange(s.start, s.stop) for s in tile.fine)
        self.pixels = np.column_stack(
            [np.repeat(rows, len(columns)), np.tile(columns, len(rows))]
        )
        rng = np.random.default_rng(7)
        self.chosen = rng.permutation(len(self.pixels))[:_EXACT]
        at = self.pixels[self.chosen]
        self.cross = [each.cross(at, known) for each in process.components]
        self.prior = [each.prior(self.pixels) for each in process.components]
        self.layers: list[NDArray] = []

    def add(self, k: int, factor: NDArray) -> None:
        """Take the variance of one coefficient from the factor of its covariance."""
        parts = self.process.amplitudes[k].parts
        on = np.flatnonzero(parts)
        prior = np.zeros(len(self.pixels))
        cross = np.zeros(self.cross[0].shape)
        for q in on:
            prior += parts[q] * self.prior[q]
            cross += parts[q] * self.cross[q]
        half = solve_triangular(factor, cross.T, lower=True, check_finite=False)
        exact = prior[self.chosen] - np.square(half).sum(axis=0)
        inflate = max(self.process.amplitudes[k].calibration, 1.0)
        self.layers.append(self._filled(prior, exact) * inflate)

    def _filled(self, prior: NDArray, exact: NDArray) -> NDArray:
        """Variance of all pixels: a regression of its logarithm on what it depends on.

        The prior variance holds what the guide changes; two cosines hold the distance
        from the centres of the coarse pixels, and an exponential that from the edge.
        """
        exact = np.maximum(exact, 1e-6 * prior[self.chosen] + 1e-12)
        design = [np.ones(len(prior)), np.log(prior + 1e-12)]
        edge = np.full(len(prior), np.inf)
        for i in (0, 1):
            place = (self.pixels[:, i] - self.grids.origin[i]) / self.grids.step[i]
            design.append(np.cos(2 * np.pi * place))
            low, high = place + 0.5, self.grids.coarse[i] - 0.5 - place
            edge = np.minimum(edge, np.minimum(low, high))
        design.append(np.exp(-np.maximum(edge, 0)))
        A = np.column_stack(design)
        chosen = A[self.chosen]
        ridge = 1e-3 * len(chosen) * np.eye(A.shape[1])
        ridge[0, 0] = 1e-9
        target = np.log(exact)
        weights = np.linalg.solve(chosen.T @ chosen + ridge, chosen.T @ target)
        found = np.exp(A @ weights)
        # The mean of the exact variances is kept.
        return np.minimum(found * (exact.mean() / found[self.chosen].mean()), prior)

    def everywhere(self) -> NDArray:
        """Variances of all fine pixels of the tile, (rows, columns, p)."""
        rows, columns = (s.stop - s.start for s in self.tile.fine)
        return np.stack(self.layers, axis=-1).reshape(rows, columns, -1)


def tiles_of(problem: Problem) -> Iterator[Window]:
    """Cut the field into tiles of coarse pixels that overlap, with their fine pixels.

    Parameters
    ----------
    problem : Problem
        Cube and grids.

    Yields
    ------
    Window
        One for the whole field if it is small.
    """
    grids = problem.degradation.grids
    if grids.n_coarse <= _MOST:
        whole = tuple(slice(0, n) for n in grids.coarse)
        yield Window(whole, tuple(slice(0, n) for n in grids.fine))  # type: ignore
        return
    cuts = [_cuts(n) for n in grids.coarse]
    for rows in cuts[0]:
        for columns in cuts[1]:
            fine = [_fine(grids, i, part) for i, part in enumerate((rows, columns))]
            yield Window((rows, columns), (fine[0], fine[1]))


def _cuts(n: int) -> list[slice]:
    if n <= _TILE:
        return [slice(0, n)]
    count = int(np.ceil((n - _OVERLAP) / (_TILE - _OVERLAP)))
    starts = np.round(np.linspace(0, n - _TILE, count)).astype(int)
    return [slice(int(a), int(a) + _TILE) for a in starts]


def _fine(grids, axis: int, part: slice) -> slice:
    """Fine pixels nearest to some coarse ones; those at the edge of the field too."""
    first = grids.origin[axis] + grids.step[axis] * (part.start - 0.5)
    last = grids.origin[axis] + grids.step[axis] * (part.stop - 0.5)
    n = grids.fine[axis]
    low = 0 if part.start == 0 else int(np.ceil(first))
    high = n if part.stop == grids.coarse[axis] else int(np.ceil(last))
    return slice(max(low, 0), min(high, n))


def _fade(tile: Window, problem: Problem) -> NDArray:
    """Weight of a tile at its fine pixels: falls linearly towards inner edges."""
    grids = problem.degradation.grids
    ramps = []
    for i in (0, 1):
        pixels = np.arange(tile.fine[i].start, tile.fine[i].stop)
        place = (pixels - grids.origin[i]) / grids.step[i]
        ramp = np.ones(len(pixels))
        if tile.coarse[i].start > 0:
            ramp = np.minimum(ramp, (place - tile.coarse[i].start + 0.5) / _OVERLAP)
        if tile.coarse[i].stop < grids.coarse[i]:
            ramp = np.minimum(ramp, (tile.coarse[i].stop - 0.5 - place) / _OVERLAP)
        ramps.append(np.maximum(ramp, 1e-3))
    return np.outer(ramps[0], ramps[1])

"""Plural scattering of a specimen of varying thickness, from the spectra alone.

Electrons that lose energy more than once convolve the spectrum of a pixel with
``exp(t P)``, where ``t`` is its thickness over the mean free path and ``P`` the
distribution of a single loss. Where ``t`` varies, the data have components that are no
phases: about one for every power of ``P`` that rises above the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.energy_drift.pooling import pool
from sparsedecomp.noise.signal_space import leading_directions

# Pixels are put together until no more than this many are left: thickness is smooth.
_MOST_CELLS = 512
# Fewer channels hold no losses that could be told from spectra.
_LEAST_CHANNELS = 64
# Losses are looked for up to this many channels, at most a third of all, as a sum of
# so many hat functions.
_LONGEST, _HATS = 96, 9
# Phases that plural scattering may add, and Gauss-Newton steps for each number.
_MOST_ADDED, _ROUNDS = 5, 6
# The spectrum below the first channel continues the slope of so many.
_SLOPE, _EDGE = 24, 10
_STARTS, _ALTERNATIONS, _STILL = 4, 30, 1e-4
# To first order, plural scattering must promise to explain this part of what the last
# component does; without it the search is not begun.
_PROMISING = 0.5
# It accounts for the other components where it explains this part of what their number
# leaves, the noise apart: in simulations .98 or more with the true number of phases, .7
# or less with one phase fewer and in thin specimens.
_ACCOUNTS = 0.85
# Largest change of the thickness in one step, and the largest thickness, over the mean
# free path; beyond them the linearisation fails.
_LONGEST_STEP, _THICKEST = 0.3, 2.0


@dataclass(frozen=True)
class PluralScattering:
    """Plural scattering that explains the data better than a further component.

    Attributes
    ----------
    n_components : int
        Number of components without it.
    thickness : (n_cells,) array
        Deviation of the thickness from its mean, over the mean free path.
    """

    n_components: int
    thickness: NDArray[np.float64]


def find_plural_scattering(
    blocks: BlockMatrix, n_components: int
) -> PluralScattering | None:
    """Look for plural scattering among the components of the data.

    The thickness of each pixel and the distribution of losses are fitted beside fewer
    and fewer components, each fit beginning where the last one ended. Plural scattering
    is there when, for any number, it explains the data better than one free component
    more, with fewer parameters. The number of phases is the smallest one beside which
    it accounts for all but a small part of what is left.

    Parameters
    ----------
    blocks : BlockMatrix
        Non-negative data that are not scaled, on a line or a plane of pixels.
    n_components : int
        Number of components that rise above the noise.

    Returns
    -------
    PluralScattering or None
        After one pass over the data; None where there is none.
    """
    if n_components < 2 or blocks.shape[1] < _LEAST_CHANNELS:
        return None
    pooled, _, _ = pool(blocks, _MOST_CELLS)
    pooled = pooled[pooled.sum(axis=1) > 0]
    mean = pooled.mean(axis=0)
    if len(pooled) <= n_components or not mean.min() >= 0:
        return None
    plain = _Scattering(pooled, n_components, 0)
    fits = plain, _Scattering(pooled, n_components, _LONGEST, plain.leading)
    left, noise = plain.left, plain.left[n_components]
    ends: list[_End | None] = [None, None]
    is_there, phases = False, None
    for k in range(n_components - 1, max(n_components - _MOST_ADDED, 1) - 1, -1):
        gain = _PROMISING * (left[k] - left[k + 1])
        ends = [fit.fit(k, end, gain) for fit, end in zip(fits, ends, strict=True)]
        best = min(ends, key=lambda end: end.chi_square)
        if not np.isfinite(best.chi_square):
            return None
        is_there |= best.chi_square < left[k + 1]
        if left[k] - best.chi_square >= _ACCOUNTS * (left[k] - noise):
            phases = PluralScattering(k, best.thickness)
    return phases if is_there else None


class _End(NamedTuple):
    """Where a fit ended."""

    chi_square: float
    thickness: NDArray[np.float64]
    losses: NDArray[np.float64]


class _Scattering:
    """Fit of a low-rank model convolved with ``exp(t P)``, by Gauss-Newton steps."""

    def __init__(self, X, n_components, pad, leading=None):
        n, m = X.shape
        brightness = X.sum(axis=1) / X.sum(axis=1).mean()
        self.row_scale = np.sqrt(np.maximum(brightness, 0.5))[:, None]
        mean = X.mean(axis=0)
        self.column_scale = np.sqrt(np.maximum(mean, 1e-9 * mean.max()))
        self.brightness = brightness - 1
        self.pad, self.m, self.size = pad, m, 2 * (m + pad)
        slope = np.polyfit(
            np.arange(_SLOPE), np.log(self.column_scale[:_SLOPE] ** 2), 1
        )
        centre = 0.5 * (_EDGE - 1)
        self.below = np.exp(slope[0] * (np.arange(-pad, 0) - centre))
        self.losses = np.fft.rfft(_hats(m + pad, min(_LONGEST, m // 3)), self.size)
        Z = X / self.row_scale / self.column_scale
        squares, V = leading or leading_directions(Z, n_components)
        self.leading, self.vectors = (squares, V), V
        self.left = np.sum(Z**2) - np.cumsum([0, *squares])
        low = np.maximum(((X / self.column_scale) @ V) @ V.T * self.column_scale, 0)
        padded = np.hstack([self._lower(low), X]) if pad else X
        self.transform = np.fft.rfft(padded, self.size, axis=1)

    def _lower(self, S):
        """Spectra below the first channel."""
        return S[:, :_EDGE].mean(axis=1)[:, None] * self.below

    def _single(self, thickness, losses):
        """Whitened data without their plural scattering, and their leading vectors."""
        factor = np.exp(-thickness[:, None] * (losses @ self.losses))
        X = np.fft.irfft(self.transform * factor, self.size, axis=1)
        return X[:, self.pad : self.pad + self.m] / self.row_scale / self.column_scale

    def _derivatives(self, V):
        """Each basis spectrum convolved with each hat, beside the span of the basis."""
        S = V.T * self.column_scale
        S = np.hstack([self._lower(S), S]) if self.pad else S
        F = np.fft.rfft(S, self.size, axis=1)
        D = np.fft.irfft(F[None] * self.losses[:, None], self.size, axis=2)
        D = D[:, :, self.pad : self.pad + self.m] / self.column_scale
        return D - (D @ V) @ V.T

    def fit(self, k: int, start: _End | None, least_gain: float) -> _End:
        """Thickness and losses beside ``k`` components, by Gauss-Newton steps.

        Without a start chi square is infinite where, to first order, the fit would
        explain less than the gain.
        """
        V = self.vectors[:, :k]
        end = start or self._first(V, least_gain)
        if not np.isfinite(end.chi_square):
            return end
        _, thickness, losses = end
        best = end._replace(chi_square=np.inf)
        for remaining in reversed(range(_ROUNDS + 1)):
            Z = self._single(thickness, losses)
            for _ in range(2):
                V = np.linalg.qr(Z.T @ (Z @ V))[0]
            A = Z @ V
            R = Z - A @ V.T
            new = _End(float(np.square(R).sum()), thickness, losses)
            best = min(best, new, key=lambda each: each.chi_square)
            if remaining:
                thickness, losses = self._step(thickness, losses, V, A, R)
        return best

    def _first(self, V, least_gain):
        """Thickness and losses to first order, which no chi square belongs to."""
        n = len(self.row_scale)
        Z = self._single(np.zeros(n), np.ones(_HATS) / _HATS)
        A = Z @ V
        gain, thickness, losses = self._start(*self._equations(V, A, Z - A @ V.T))
        return _End(0.0 if gain >= least_gain else np.inf, thickness, losses)

    def _equations(self, V, A, R):
        """Normal equations of thickness times losses, for every pixel."""
        D = self._derivatives(V)
        gram = np.einsum("akm,blm->abkl", D, D, optimize=True)
        gram = np.einsum("ik,abkl,il->iab", A, gram, A, optimize=True)
        return gram, np.stack([np.sum(A * (R @ d.T), axis=1) for d in D], axis=1)

    def _step(self, thickness, losses, V, A, R):
        """One step of the thickness, then one of the losses, which have sum one."""
        gram, against = self._equations(V, A, R)
        information = (gram @ losses) @ losses
        step = (against @ losses) / np.maximum(information, 1e-12)
        thickness = thickness + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        thickness -= thickness.mean()
        curvature = np.tensordot(thickness**2, gram, 1)
        ridge = 1e-6 * np.trace(curvature) / _HATS * np.eye(_HATS)
        slope = thickness @ against
        new = np.maximum(losses + np.linalg.solve(curvature + ridge, slope), 0)
        losses = new if new.sum() > 0 else losses
        size = losses.sum()
        return np.clip(thickness * size, -_THICKEST, _THICKEST), losses / size

    def _start(self, gram, against):
        """Gain, thickness and losses from their product to first order."""
        rng = np.random.default_rng(0)
        n = len(against)
        best = (-np.inf, np.zeros(n), np.ones(_HATS) / _HATS)
        products = gram.reshape(n, -1)
        for start in range(_STARTS):
            t = self.brightness if start == 0 else 0.3 * rng.standard_normal(n)
            h = np.zeros(_HATS)
            for _ in range(_ALTERNATIONS):
                last = h
                curvature = (t**2 @ products).reshape(_HATS, _HATS)
                ridge = 1e-9 * np.trace(curvature) * np.eye(_HATS) + 1e-300
                h = np.linalg.solve(curvature + ridge, t @ against)
                h = np.maximum(h if h.sum() > 0 else -h, 0)
                h = h / h.sum() if h.sum() > 0 else np.ones(_HATS) / _HATS
                information = (gram @ h) @ h
                t = (against @ h) / np.maximum(information, 1e-12)
                t = t - t.mean()
                if np.abs(h - last).max() < _STILL:
                    break
            gain = float(2 * t @ (against @ h) - t**2 @ information)
            if gain > best[0]:
                best = (gain, np.clip(t, -1.5, 1.5), h)
        return best


def _hats(m, longest):
    """Causal hat functions of unit sum that cover losses up to the longest."""
    at = np.round(np.linspace(0, longest, _HATS + 1)).astype(int)
    at = np.append(at, 2 * at[-1] - at[-2])
    channel = np.arange(m)
    hats = [np.interp(channel, at[i : i + 3], [0, 1, 0]) for i in range(_HATS)]
    return np.array([hat / hat.sum() for hat in hats])

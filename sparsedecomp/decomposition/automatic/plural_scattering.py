"""Plural scattering of a specimen of varying thickness, from the spectra alone.

Electrons that lose energy more than once convolve the spectrum of a pixel with
``exp(t P)``, where ``t`` is its thickness over the mean free path and ``P`` the
distribution of a single loss. Where ``t`` varies, the data have components that are no
phases: about one for every power of ``P`` that rises above the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

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
# Phases that plural scattering may add, and rounds of Gauss-Newton steps. More of
# either find thicker specimens and take longer.
_MOST_ADDED, _ROUNDS = 5, 3
# The spectrum below the first channel continues the slope of so many.
_SLOPE, _EDGE = 24, 10
_STARTS, _ALTERNATIONS, _STILL = 4, 30, 1e-4
# The second and later rounds are for numbers where the first one explains this part of
# what one more free component does; thick specimens explain most of it at once.
_PROMISING = 0.5
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

    For every smaller number of components the thickness of each pixel and the
    distribution of losses are fitted. Plural scattering is there when it explains the
    data better than one free component more, with fewer parameters.

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
    left = plain.left
    for k in range(max(n_components - _MOST_ADDED, 1), n_components):
        needed = left[k] - left[k + 1]
        tried = (fit.fit(k, _PROMISING * needed) for fit in fits)
        chi, thickness = min(tried, key=lambda each: each[0])
        if chi < left[k + 1]:
            return PluralScattering(k, thickness)
    return None


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

    def fit(self, k: int, least_gain: float) -> tuple[float, NDArray]:
        """Smallest chi square for ``k`` components, and the thickness of the cells.

        It is infinite where the first round promises to explain less than the gain.
        """
        n = len(self.row_scale)
        V = self.vectors[:, :k]
        thickness, losses = np.zeros(n), np.ones(_HATS) / _HATS
        best = (np.inf, thickness)
        for number in range(_ROUNDS + 1):
            Z = self._single(thickness, losses)
            for _ in range(2 if number else 0):
                V = np.linalg.qr(Z.T @ (Z @ V))[0]
            A = Z @ V
            R = Z - A @ V.T
            if number:
                best = min(best, (np.square(R).sum(), thickness), key=lambda b: b[0])
            if number == _ROUNDS:
                return best
            D = self._derivatives(V)
            gram = np.einsum("akm,blm->abkl", D, D, optimize=True)
            gram = np.einsum("ik,abkl,il->iab", A, gram, A, optimize=True)
            against = np.stack([np.sum(A * (R @ d.T), axis=1) for d in D], axis=1)
            if not number:
                gain, thickness, losses = self._start(gram, against)
                if gain < least_gain:
                    return best
                continue
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
            losses = losses / size
            thickness = np.clip(thickness * size, -_THICKEST, _THICKEST)
        return best

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

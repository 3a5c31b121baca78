"""Shifts, linear maps and covariance of frames that maximise the evidence together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sparsedecomp.superresolution.gaussian_process.evidence import (
    Process,
    evidence,
    limits_of,
)
from sparsedecomp.superresolution.gaussian_process.windows import Windows
from sparsedecomp.superresolution.registration.consistency import held_out_frames
from sparsedecomp.superresolution.registration.linear_maps import PRIOR, displaced

# Bounds of the shifts around the nominal ones, in standard deviations of the prior.
# Larger bounds let a shift go to a wrong maximum of the evidence.
_REACH = 6


def root_mean_square(errors: NDArray) -> float:
    """Root of the mean square of some errors."""
    return float(np.sqrt(np.mean(errors**2)))


class Located(NamedTuple):
    """A process, shifts and linear maps, and the windows that they were fitted to.

    The windows of one part of the field have one arrangement of samples; there are
    several parts where frames are rotated against each other.
    """

    parts: list[Windows]
    process: Process
    shifts: NDArray
    maps: NDArray

    def local(self, shifts: NDArray, maps: NDArray) -> list[NDArray]:
        """Shifts (n_frames, 2) in the middle of each part."""
        if len(self.parts) == 1:
            return [shifts]
        middles = [part.centres.mean(axis=0) for part in self.parts]
        return [shifts + displaced(maps, middle) for middle in middles]

    @property
    def located(self) -> list[tuple[Windows, NDArray]]:
        """Each part and the shifts in its middle."""
        shifts = self.local(self.shifts, self.maps)
        return list(zip(self.parts, shifts, strict=True))

    @property
    def value(self) -> float:
        """Negative log evidence."""
        return sum(
            float(evidence(self.process, part.moved(at), part.samples, slope=False)[0])
            for part, at in self.located
        )

    def completed(self) -> Located:
        """With masked samples drawn again."""
        parts = [part.completed(self.process, at) for part, at in self.located]
        return self._replace(parts=parts)

    def held_out(self) -> NDArray:
        """Error of each frame as predicted from the others."""
        squares, weight = np.zeros(len(self.shifts)), 0
        for part, at in self.located:
            errors, _ = held_out_frames(
                self.process, part.moved(at), part.samples, len(at)
            )
            squares += part.samples.size * errors**2
            weight += part.samples.size
        return np.sqrt(squares / weight)

    @property
    def error(self) -> float:
        """Root mean square error of frames predicted from the others."""
        return root_mean_square(self.held_out())


def fit_shifts(
    state: Located, nominal: NDArray, sigma: float, least: float, max_iter: int
) -> Located:
    """Process, shifts and maps that maximise evidence times prior, from some on.

    Parameters
    ----------
    state : Located
        First process, shifts and maps; maps of a kind that are all zero stay so.
    nominal : (n_frames, 2) array
        Mean of the prior of the shifts, in pixels of the frames.
    sigma : float
        Its standard deviation.
    least : float
        Least noise over the signal.
    max_iter : int
        Upper bound on the iterations.

    Returns
    -------
    Located
    """
    parts, process = state.parts, state.process
    scale = sum(part.samples.size for part in parts)
    which = state.maps.any(axis=0)
    middles = [part.centres.mean(axis=0) for part in parts]
    # Maps are counted by the pixels that they move the border, as shifts are.
    unit = 1 / max(1.0, np.abs(middles).max())
    end = 4 + nominal.size

    def unpacked(p: NDArray) -> tuple[NDArray, NDArray]:
        maps = np.zeros((len(nominal), 2))
        maps[:, which] = unit * p[end:].reshape(len(nominal), -1)
        return p[4:end].reshape(nominal.shape), maps

    def objective(p: NDArray) -> tuple[float, NDArray]:
        shifts, maps = unpacked(p)
        proposed = process.with_logarithms(p[:4])
        away = (shifts - nominal) / sigma
        total = 0.5 * np.square(away).sum() + 0.5 * np.square(maps / PRIOR).sum()
        by_shifts, by_maps = away / sigma, maps / PRIOR**2
        by_logarithms = np.zeros(4)
        for part, at, (y, x) in zip(
            parts, state.local(shifts, maps), middles, strict=True
        ):
            value, by_points, by_process = evidence(
                proposed, part.moved(at), part.samples
            )
            rows, columns = part.by_frame(by_points).T
            by_shifts = by_shifts + np.stack([rows, columns], axis=1)
            by_maps = by_maps + np.stack(
                [y * columns - x * rows, y * rows + x * columns], axis=1
            )
            total, by_logarithms = total + value, by_logarithms + by_process
        by_maps = unit * by_maps[:, which]
        slope = np.concatenate([by_logarithms, by_shifts.ravel(), by_maps.ravel()])
        return total / scale, slope / scale

    bounds = limits_of(process, least)
    bounds += [(d - _REACH * sigma, d + _REACH * sigma) for d in nominal.ravel()]
    bounds += [(None, None)] * (len(nominal) * int(which.sum()))
    start = [process.logarithms(), state.shifts.ravel()]
    start.append(state.maps[:, which].ravel() / unit)
    fit = minimize(
        objective,
        np.concatenate(start),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": max_iter, "ftol": 1e-9},
    )
    shifts, maps = unpacked(fit.x)
    return Located(parts, process.with_logarithms(fit.x[:4]), shifts, maps)

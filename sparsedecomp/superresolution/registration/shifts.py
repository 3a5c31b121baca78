"""Shifts of frames that maximise the evidence, around the nominal ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.suggestions import check_choice
from sparsedecomp.superresolution.gaussian_process.evidence import (
    LEAST_NOISE,
    Process,
    evidence,
    fit_process,
)
from sparsedecomp.superresolution.gaussian_process.windows import Windows, cut_windows
from sparsedecomp.superresolution.registration.consistency import (
    LIMIT,
    consistent_frames,
    held_out_frames,
)
from sparsedecomp.superresolution.registration.correlation import correlate
from sparsedecomp.superresolution.registration.deviation import deviation_of
from sparsedecomp.superresolution.registration.intensities import (
    Intensities,
    fit_intensities,
)
from sparsedecomp.superresolution.registration.joint_fit import (
    Located,
    fit_shifts,
    root_mean_square,
)
from sparsedecomp.superresolution.registration.linear_maps import KINDS, first_maps
from sparsedecomp.superresolution.registration.result import Registration

# What `register` looks for by itself beside the shifts, and what it can look for: the
# fit of rotations takes minutes, and its first test fires on some frames without any.
LOOKED_FOR = ("frames", "intensity")
DIFFERENCES = (*LOOKED_FOR, *KINDS)
# Least noise over signal in one fit after the other. With little noise the evidence has
# many maxima; with more it is smooth, and its maximum is the start of the next fit.
_LEAST_NOISE = (1e-1, 1e-2, 1e-3, LEAST_NOISE)
# Samples of a window in all frames together: the time of a factorisation grows with the
# third power.
_WINDOW_SAMPLES = 400
# Most windows times factors. More make the shifts surer and take longer.
_MOST_COLUMNS = 3000
# Frames that were left out come back where the error of frames predicted from the
# others is no more than so many times that without them.
_WORSE = 1.1
# Side in pixels of the parts of the field in which the shifts of rotated frames count
# as constant, and the most such parts along an axis. More parts take longer.
_PART, _MOST_PARTS = 8, 6
# Fewer windows cannot tell a rotation from structures of the specimen.
_LEAST_WINDOWS = 16
# Differences of frames are real where the error of frames predicted from the others is
# less than this part of that without them.
_BETTER = 0.98
# The fit of rotations takes so many times more iterations.
_LONGER = 3


@one_blas_thread()
def register(
    Y: NDArray,
    nominal: ArrayLike | None = None,
    *,
    prior: float | None = None,
    mask: NDArray | None = None,
    max_iter: int = 100,
    differences: Collection[str] = LOOKED_FOR,
) -> Registration:
    """Find the shifts of frames from the frames, with the nominal ones as a prior.

    Coarse frames are aliased, which makes correlation inexact. Here shifts, noise and
    correlation lengths maximise the evidence of a Gaussian process on the samples of
    all frames together [1]_. Small windows tile the field; they have one arrangement of
    samples, so that one Cholesky factorisation serves all windows and factors.

    Frames that show something else are left out, and gain and offset of frames that are
    not alike are fitted, and if asked for rotation and magnification, all of them only
    where the evidence asks for it.

    A shift common to all frames cannot be seen in them and stays as in the prior.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Factors with noise of one variance; a few of the strongest are enough.
    nominal : (n_frames, 2) array, optional
        Nominal shifts of rows and columns in pixels; default: by phase correlation.
    prior : float, optional
        Standard deviation of the nominal shifts in pixels; default: 0.2, or 0.5 where
        they come from correlation. Larger values trust the frames more.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    max_iter : int, default 100
        Upper bound on the iterations of each fit.
    differences : collection of str, default ("frames", "intensity")
        What is looked for beside shifts: "frames" that show something else than the
        others, the "intensity" of each frame (its gain, and for frames of one factor
        its offset), its "rotation" and its "scale" (magnification). The last two take
        minutes and are looked for only if they are named.

    Returns
    -------
    Registration
        The estimate is accepted when the evidence and the prediction of frames from
        the other frames both improve.

    Raises
    ------
    ValueError
        For fewer than two frames, a prior that is not positive, and unknown
        differences.

    References
    ----------
    .. [1] M. E. Tipping and C. M. Bishop, Bayesian image super-resolution, NIPS 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import register
    >>> y, x = np.mgrid[:20, :20]
    >>> true = np.array([[0, 0], [0.3, 0.6], [0.7, 0.2], [0.5, 0.5]])
    >>> Y = np.stack([np.sin((y + a) / 2) * np.cos((x + b) / 3) for a, b in true])
    >>> found = register(Y[..., None], true.round())
    >>> drift = found.estimate - true
    >>> bool(np.abs(drift - drift.mean(axis=0)).max() < 0.01)
    True
    """
    if len(Y) < 2:
        raise ValueError(
            f"{len(Y)} frame was given, expected at least two to register."
        )
    if prior is not None and not prior > 0:
        raise ValueError(f"prior={prior!r} was given, expected a positive number.")
    for name in differences:
        check_choice("differences", name, DIFFERENCES)
    coarse = nominal is None
    nominal = correlate(Y) if coarse else np.asarray(nominal, float)
    sigma = prior or (0.5 if coarse else 0.2)

    def registered(kept: NDArray) -> Registration:
        windows = _windows(Y[kept], nominal[kept], _of(mask, kept))
        return _register(windows, nominal[kept], sigma, max_iter, differences)

    def fitting(kept: NDArray, process: Process, shifts: NDArray) -> NDArray:
        """Frames that are kept, and those that the process predicts beside them."""
        kept = kept.copy()
        for k in np.flatnonzero(~kept):
            some = kept.copy()
            some[k] = True
            own = int(np.count_nonzero(some[:k]))
            windows = _windows(Y[some], nominal[some], _of(mask, some))
            kept[k] = _fits_in(windows, process, shifts[some], own, sigma)
        return kept

    kept, ratio = np.ones(len(Y), bool), np.ones(len(Y))
    if "frames" in differences:
        kept, ratio = consistent_frames(_windows(Y, nominal, mask))
    found = registered(kept)
    if not kept.all():
        shifts = nominal.copy()
        shifts[kept] = found.shifts
        # A frame whose nominal shift alone was wrong is predicted at its true one.
        more = fitting(kept, found.process, shifts)
        again = registered(more) if more.sum() > kept.sum() else found
        if again is not found and again.error < _WORSE * found.error:
            kept, found = more, again
    return found.for_all(kept, nominal, np.sqrt(ratio))


def _of(mask: NDArray | None, kept: NDArray) -> NDArray | None:
    return None if mask is None else mask[kept]


def _fits_in(
    windows: Windows, process: Process, shifts: NDArray, k: int, sigma: float
) -> bool:
    """Whether frame ``k`` is predicted from the others at the best of its shifts."""

    def objective(own: NDArray) -> tuple[float, NDArray]:
        moved = shifts.copy()
        moved[k] = own
        value, by_points, _ = evidence(process, windows.moved(moved), windows.samples)
        away = (own - shifts[k]) / sigma
        slope = windows.by_frame(by_points)[k] + away / sigma
        return value + 0.5 * away @ away, slope

    windows = windows.completed(process, shifts)
    best = minimize(objective, shifts[k], jac=True, method="L-BFGS-B")
    moved = shifts.copy()
    moved[k] = best.x
    points, n = windows.moved(moved), len(shifts)
    _, misfit = held_out_frames(process, points, windows.samples, n)
    return bool(misfit[k] < LIMIT * np.median(misfit))


def _register(
    windows: Windows,
    nominal: NDArray,
    sigma: float,
    max_iter: int,
    differences: Collection[str],
) -> Registration:
    """Shifts, and other differences that are asked for, of frames of one scene."""
    n_frames, n_factors = len(nominal), len(windows.mean)
    windows, process, _ = windows.fitted()
    state = Located([windows], process, nominal, np.zeros((n_frames, 2)))
    even, uneven = Intensities.none(n_frames, n_factors), False
    kinds = [kind for kind in KINDS if kind in differences]

    def made_even(state: Located) -> Located:
        nonlocal even, uneven
        # Only images have a dark level.
        more, improvement = fit_intensities(
            state.located, state.process, n_factors == 1
        )
        uneven = uneven or improvement > 0
        if not uneven:
            return state
        even = even.then(more)
        return state._replace(parts=[more.apply_to(part) for part in state.parts])

    for least in _LEAST_NOISE:
        state = fit_shifts(state.completed(), nominal, sigma, least, max_iter)
    if "intensity" in differences:
        # At wrong shifts frames may seem uneven that are not.
        plain, state = state, made_even(state)
        if uneven:
            state = fit_shifts(state.completed(), nominal, sigma, LEAST_NOISE, max_iter)
            state = made_even(state)
            if state.error > _BETTER * plain.error:
                state, even = plain, Intensities.none(n_frames, n_factors)
    if kinds:
        state = _with_maps(state, nominal, sigma, max_iter, kinds)
        if state.maps.any() and "intensity" in differences:
            state = fit_shifts(made_even(state), nominal, sigma, LEAST_NOISE, max_iter)
    # The smoother covariance is often the better one, once the shifts are right.
    smoother = state._replace(process=replace(state.process, twice_nu=5))
    smoother = fit_shifts(smoother, nominal, sigma, LEAST_NOISE, max_iter)
    state = min(state, smoother, key=lambda each: each.value)
    first = _at(state, nominal)
    errors = first.held_out(), state.held_out()
    held_out = (root_mean_square(errors[0]), root_mean_square(errors[1]))
    before, after = first.value, state.value
    n_samples = sum(part.samples.size for part in state.parts)
    # Penalty of the shifts as parameters by the Bayesian information criterion.
    gains = before - after > (n_frames - 1) * np.log(n_samples)
    accepted = bool(gains and held_out[1] < held_out[0])
    if accepted:
        reason = "evidence and held-out frames improve"
    elif gains:
        reason = "held-out frames are not predicted better"
    else:
        reason = "the evidence does not improve"
    deviation = np.full(nominal.shape, np.nan)
    if accepted:
        deviation = deviation_of(state.located, sigma, state.process)
    used = state if accepted else first
    error = errors[int(accepted)]
    return Registration(
        shifts=used.shifts,
        nominal=nominal,
        estimate=state.shifts,
        deviation=deviation,
        accepted=accepted,
        reason=reason,
        log_evidence=(-before, -after),
        held_out=held_out,
        misfit=error / np.median(error),
        process=used.process,
        kept=np.ones(n_frames, bool),
        intensities=even,
        maps=used.maps,
    )


def _with_maps(
    state: Located, nominal: NDArray, sigma: float, max_iter: int, kinds: Sequence[str]
) -> Located:
    """Rotations and magnifications as well, where the evidence is better with them."""
    (windows,) = state.parts
    if len(windows.centres) < _LEAST_WINDOWS:
        return state
    maps = first_maps(windows, state.shifts, state.process, kinds)
    if not maps.any():
        return state
    extent = np.ptp(windows.centres, axis=0).max()
    parts = windows.split(int(np.clip(round(extent / _PART), 2, _MOST_PARTS)))
    mapped = state._replace(parts=parts, maps=maps)
    mapped = fit_shifts(mapped, nominal, sigma, LEAST_NOISE, _LONGER * max_iter)
    n_maps = np.count_nonzero(maps.any(axis=0)) * (len(nominal) - 1)
    better = state.value - mapped.value > 0.5 * n_maps * np.log(windows.samples.size)
    return mapped if better and mapped.error < _BETTER * state.error else state


def _at(state: Located, nominal: NDArray) -> Located:
    """The best process of the same samples at other shifts."""
    tried = []
    for nu in (3, 5):
        at = state._replace(shifts=nominal)
        # One part stands for all: the process is that of the specimen.
        part, shifts = at.located[len(at.parts) // 2]
        process, _ = fit_process(part.moved(shifts), part.samples, nu)
        tried.append(at._replace(process=process))
    return min(tried, key=lambda each: each.value)


def _windows(Y: NDArray, shifts: NDArray, mask: NDArray | None) -> Windows:
    windows = cut_windows(Y, shifts, mask, n_samples=_WINDOW_SAMPLES)
    excess = windows.samples.shape[1] / _MOST_COLUMNS
    if excess > 1:
        step = int(np.ceil(windows.size * np.sqrt(excess)))
        windows = cut_windows(Y, shifts, mask, windows.size, step)
    return windows

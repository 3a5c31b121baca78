"""Greedy search for the shells of one spectrum by the evidence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .map_refinement import ShellFit, refine
from .model import GLOBALS, PER_SHELL, ShellModel

# Step of the trial distances in angstrom, which are then refined. It must be smaller
# than the width pi / (2 kmax), about 0.1 angstrom, of a maximum of the evidence.
_STEP = 0.04
# Fits whose distances agree to this, in angstrom, are the same maximum.
_SAME = 0.003
# Largest distance, in angstrom, by which the phases of other paths move a shell.
_SHIFTED = 0.25
# Initial shifts of the energy zero in eV, from the prior mean. A wrong shift moves all
# shells by half a wave; more values cover a wider range and cost a search each.
_E0_OFFSETS = (-8.0, 0.0, 8.0)


def search_shells(
    model: ShellModel,
    y: np.ndarray,
    *,
    max_shells: int = 10,
    min_gain: float = 2.5,
    n_candidates: int = 3,
    patience: int = 3,
    needed: bool = False,
    alternatives: list[ShellFit] | None = None,
) -> ShellFit:
    """Search for shells greedily, refining all parameters in every trial.

    A shell is added where a column of a grid raises the exact evidence of the
    linearised model most, then all parameters are refined; shells are removed or moved
    to another channel if that raises the evidence. This determines the number of
    shells, their distances, numbers of atoms and displacements, the energy zero and
    the noise.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    y : (n,) array
        Coordinates of the spectrum.
    max_shells : int, default 10
        Largest number of shells.
    min_gain : float, default 2.5
        Gain of the log evidence for which a shell is added. Odds of twelve to one;
        Kass and Raftery (J. Am. Stat. Assoc. 90 (1995) 773) call 3 to 20 "positive".
        Larger: fewer shells.
    n_candidates : int, default 3
        Number of distances tried for each new shell. Larger: slower, more thorough.
    patience : int, default 3
        Number of shells added without success before the search ends. A deeper search
        has found nothing better in the shared scans.
    needed : bool, default False
        Whether there must be a shell, since the signal stands above the noise. Then
        the best fit with shells is returned even where none has a larger evidence.
    alternatives : list of ShellFit, optional
        List to which the fits on the way are added: what else explains the spectrum.

    Returns
    -------
    ShellFit
        Shells of the largest evidence, which may be none.
    """
    visited: list[ShellFit] = []
    tried: list[ShellFit] = []
    fits = [
        _search_from(
            model,
            y,
            offset,
            max_shells,
            min_gain,
            n_candidates,
            patience,
            visited,
            tried,
        )
        for offset in _E0_OFFSETS
    ]
    if alternatives is not None:
        alternatives += [*fits, *visited, *tried]
    if needed and not any(len(fit.channel_index) for fit in fits):
        tried = [fit for fit in tried if len(fit.channel_index)]
        return max(tried, key=lambda fit: fit.log_evidence, default=fits[0])
    return max(
        fits, key=lambda fit: fit.log_evidence - min_gain * len(fit.channel_index)
    )


def _search_from(
    model: ShellModel,
    y: np.ndarray,
    offset: float,
    max_shells: int,
    min_gain: float,
    n_candidates: int,
    patience: int,
    visited: list[ShellFit],
    tried: list[ShellFit],
) -> ShellFit:
    """Search from one initial energy zero.

    It stops at a fit that another search visited, since it would continue in the same
    way.
    """
    best = refine(model, y, _no_shells(model), np.zeros(0, dtype=int))
    best.p[0] += offset
    path, tries = best, patience
    # Two shells may raise the evidence where one of them alone does not.
    while tries and len(path.channel_index) < max_shells:
        path = _add(model, y, path, n_candidates)
        tried.append(path)
        fit = _improve(model, y, path, min_gain)
        more = len(fit.channel_index) - len(best.channel_index)
        if fit.log_evidence > best.log_evidence + min_gain * max(more, 0) + 1e-2:
            best = path = fit
            tries = patience
            if any(_same(model, fit, other) for other in visited):
                break
            visited.append(fit)
        else:
            tries -= 1
    return best


def _same(model: ShellModel, fit: ShellFit, other: ShellFit) -> bool:
    """Whether two fits have the same shells."""
    if sorted(fit.channel_index) != sorted(other.channel_index):
        return False
    shells = [
        np.array(sorted(zip(f.channel_index, model.shells(f.p)[0], strict=True)))
        for f in (fit, other)
    ]
    close = np.abs(shells[0] - shells[1]).max(initial=0) < _SAME
    return close and abs(fit.log_evidence - other.log_evidence) < 0.1


def _no_shells(model: ShellModel) -> np.ndarray:
    mean, _ = model.prior_of(0)
    return mean


def _add(
    model: ShellModel, y: np.ndarray, fit: ShellFit, n_candidates: int
) -> ShellFit:
    """Best fit with one more shell."""
    trials = [
        refine(model, y, *_insert(model, fit, channel, r, u))
        for channel, r, u in _candidates(model, y, fit, n_candidates)
    ]
    return max(trials, key=lambda fit: fit.log_evidence, default=fit)


def _improve(
    model: ShellModel, y: np.ndarray, fit: ShellFit, min_gain: float
) -> ShellFit:
    """Remove shells or move them to other channels while that raises the evidence."""
    while True:
        trials = []
        for i in _doubtful(model, fit):
            trials.append(refine(model, y, *_remove(model, fit, i)))
        for i, channel, r in _exchanges(model, fit):
            channel_index, p = fit.channel_index.copy(), fit.p.copy()
            channel_index[i] = channel
            p[GLOBALS + i] = r
            trials.append(refine(model, y, p, channel_index))
        better = max(trials, key=lambda fit: fit.log_evidence, default=fit)
        # Removing a shell may lower the log evidence by the gain that adding it needs.
        fewer = len(fit.channel_index) - len(better.channel_index)
        if not better.log_evidence > fit.log_evidence + 1e-2 - min_gain * fewer:
            return fit
        fit = better


def _candidates(
    model: ShellModel, y: np.ndarray, fit: ShellFit, count: int
) -> list[tuple[int, float, float]]:
    """Channel, distance and weight N / R^2 of the columns of the largest gain.

    With C the covariance of the data given the present shells, s = x C^-1 x and
    q = x C^-1 y, the gain of a column x with prior variance d of its weight is
    1/2 [q^2 / (1/d + s) - log(1 + d s)].
    """
    d = model.prior.density**2
    (e0, level, kappa), _ = model.split(fit.p)
    r_now = model.shells(fit.p)[0]
    X = r_now[:, None] ** 2 * model.columns(fit.p, fit.channel_index)[0]
    inverse = np.linalg.inv(fit.noise_covariance + d * X.T @ X)
    candidates = []
    for channel, (low, high) in enumerate(model.r_limits):
        r = np.arange(low + _STEP / 2, high, _STEP)
        r = r[model.midpoint_occupied(r_now, fit.channel_index, channel, r)]
        if not len(r):
            continue
        sigma2 = np.exp(level) * model.expected(r)
        columns = model.channels[channel].columns(
            model.coordinates.k, r, e0=e0, sigma2=sigma2, third=kappa * sigma2**2
        )[0]
        x = columns @ model.coordinates.matrix.T * r[:, None] ** 2
        x_inverse = x @ inverse
        s, q = np.sum(x_inverse * x, axis=1), x_inverse @ y
        gain = 0.5 * (q**2 / (1 / d + s) - np.log1p(d * s))
        gain[q <= 0] = -np.inf
        weight = q / (1 / d + s)
        for at in r_now[fit.channel_index == channel]:
            gain[np.abs(r - at) < model.resolution] = -np.inf
        padded = np.concatenate([[-np.inf], gain, [-np.inf]])
        peak = (gain >= padded[:-2]) & (gain >= padded[2:]) & np.isfinite(gain)
        candidates += [
            (gain[j], channel, r[j], weight[j]) for j in np.flatnonzero(peak)
        ]
    best = sorted(candidates, reverse=True)[:count]
    return [(channel, r, u) for _, channel, r, u in best]


def _insert(
    model: ShellModel, fit: ShellFit, channel: int, r: float, u: float
) -> tuple[np.ndarray, np.ndarray]:
    common, rows = model.split(fit.p)
    new = np.array([[r], [max(u, 0.02)], [0.0], [0.0]])
    p = np.concatenate([common, np.hstack([rows, new]).ravel()])
    return p, np.append(fit.channel_index, channel)


def _remove(model: ShellModel, fit: ShellFit, i: int) -> tuple[np.ndarray, np.ndarray]:
    common, rows = model.split(fit.p)
    p = np.concatenate([common, np.delete(rows, i, axis=1).ravel()])
    return p, np.delete(fit.channel_index, i)


def _doubtful(model: ShellModel, fit: ShellFit) -> np.ndarray:
    """Shells whose weight is within four standard deviations of zero."""
    u = model.split(fit.p)[1][1]
    error = np.sqrt(np.diag(fit.covariance))[GLOBALS:].reshape(PER_SHELL, -1)[1]
    return np.flatnonzero(u < 4 * error)


def _exchanges(model: ShellModel, fit: ShellFit) -> Iterator[tuple[int, int, float]]:
    """Other channels to which each shell might belong, and its distance there.

    Phases of focused paths differ from those of single scattering: a shell that was
    fitted by the wrong ones is a tenth of an angstrom away, so that twice the distance
    of the atom half way is tried, too.
    """
    r = model.shells(fit.p)[0]
    for i, channel in enumerate(fit.channel_index):
        for other, (low, high) in enumerate(model.r_limits):
            if other == channel:
                continue
            via = model.channels[other].via
            middle = [
                2 * at
                for at, of in zip(r, fit.channel_index, strict=True)
                if via
                and model.channels[of].label == via
                and 0.03 < abs(2 * at - r[i]) < _SHIFTED
            ]
            for start in (r[i], *middle):
                possible = model.midpoint_occupied(
                    r, fit.channel_index, other, np.array([start])
                )[0]
                if low < start < high and possible:
                    yield i, other, float(start)

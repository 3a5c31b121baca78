"""What a planned set of shifted frames can tell: rank, condition, amplified noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

# Fine pixels of the periodic field that a plan is judged on, at least.
_FIELD = 12
# Squares of singular values below this part of the largest tell nothing.
_NOTHING = 1e-6
# Missing frequencies lie along an axis when it has so many times those of the other.
_ONE_WAY = 1.2


@dataclass(frozen=True)
class Plan:
    """What `plan_shifts` found.

    Attributes
    ----------
    step, fine_step, psf : float
        In the units of the shifts.
    shifts : (n_frames, 2) array
    n_distinct : int
        Shifts that differ by more than whole steps.
    rank, n_unknowns : int
        Frequencies of the fine map that the frames determine, of all.
    condition : float
        Largest over smallest singular value of those.
    amplification : float
        Noise of the fine map over the noise of a sample, root mean square over what is
        determined, without any prior.
    by_frequency : (n, n) array
        The same for every frequency, rows first, zero frequency in the middle; infinite
        where a part of it comes from the prior alone.
    from_prior : (n, n) array
        Part of every frequency that no frame tells about, 0 to 1.
    frequencies : (n,) array
        Of `by_frequency`, in cycles per unit of the shifts.
    proposal : Plan or None
        Better shifts with no more frames; None where none is better.
    """

    step: float
    fine_step: float
    psf: float
    shifts: np.ndarray
    n_distinct: int
    rank: int
    n_unknowns: int
    condition: float
    amplification: float
    by_frequency: np.ndarray
    from_prior: np.ndarray
    frequencies: np.ndarray
    proposal: Plan | None = field(default=None)

    @property
    def missing(self):
        """Frequencies (rows, columns) that come from the prior, in part or whole."""
        rows, columns = np.nonzero(np.isinf(self.by_frequency))
        return np.stack([self.frequencies[rows], self.frequencies[columns]], axis=1)

    def describe_missing(self):
        """Say in words which frequencies come from the prior alone."""
        if not len(self.missing):
            return "All frequencies of the fine map are determined by the frames."
        share = 100 * (1 - self.rank / self.n_unknowns)
        rows, columns = (
            (self.from_prior * np.abs(f)).sum()
            for f in np.meshgrid(self.frequencies, self.frequencies, indexing="ij")
        )
        along = "both axes"
        if max(rows, columns) > _ONE_WAY * min(rows, columns):
            along = "the rows' axis" if rows > columns else "the columns' axis"
        return (
            f"{share:.0f} % of what the fine map can hold comes from the prior alone: "
            f"{len(self.missing)} of {self.n_unknowns} frequencies are aliased into "
            f"one another, mostly along {along}."
        )

    def __repr__(self):
        lines = [
            f"{len(self.shifts)} frames ({self.n_distinct} distinct) at a step of "
            f"{self.step:g}, for a map at {self.fine_step:g}:",
            f"  rank           {self.rank} of {self.n_unknowns}",
            f"  condition      {self.condition:.3g}",
            f"  amplification  {self.amplification:.3g}",
            self.describe_missing(),
        ]
        if self.proposal is not None:
            better = ", ".join(f"({y:.4g}, {x:.4g})" for y, x in self.proposal.shifts)
            lines += [
                f"Better, with {len(self.proposal.shifts)} frames: rank "
                f"{self.proposal.rank}, amplification "
                f"{self.proposal.amplification:.3g}:",
                f"  {better}",
            ]
        return "\n".join(lines)

    def plot(self, axes=None):
        """Draw the shifts and the amplification by frequency.

        Parameters
        ----------
        axes : sequence of two matplotlib.axes.Axes, optional
            Default: those of a new figure.

        Returns
        -------
        array of matplotlib.axes.Axes
        """
        import sparsedecomp

        return sparsedecomp.plotting.plot_plan(self, axes=axes)


def plan_shifts(step, shifts, psf=0.0, fine_step=None, propose=True):
    """Say what shifted frames can tell about a finer map, before they are measured.

    On a periodic field the samples ``exp(i q u)`` of every frequency ``q`` of the fine
    map make one matrix; its singular values are all there is to know [1]_. Where its
    rank is low, several frequencies are aliased into one and only a prior parts them.

    It decides what the positions allow; it does not know the specimen, and a point
    spread much wider than the fine step leaves little to see whatever the shifts.

    Parameters
    ----------
    step : float
        Between samples of a frame.
    shifts : (n_frames, 2) array
        Where frames begin, along rows and columns, in the units of ``step``.
    psf : float, default 0
        Standard deviation of the Gaussian spot, in the same units.
    fine_step : float, optional
        Of the map; default: the smallest distance between two shifts along an axis.
    propose : bool, default True
        Look for better shifts with no more frames.

    Returns
    -------
    Plan
        A table when printed, a picture by ``.plot()``.

    Raises
    ------
    ValueError
        For a step that is not positive, shifts that are not finite pairs, and a fine
        step that is not smaller than the step.

    References
    ----------
    .. [1] R. Abergel and L. Moisan, J. Math. Imaging Vis. 63 (2021) 1, accurate
       super-resolution for sequences of translated frames.

    Examples
    --------
    >>> from sparsedecomp.superresolution import plan_shifts
    >>> thirds = [(y, x) for y in (0, 1 / 3, 2 / 3) for x in (0, 1 / 3, 2 / 3)]
    >>> plan = plan_shifts(1.0, thirds, fine_step=0.4)
    >>> plan.rank, plan.n_unknowns, round(plan.condition, 3)
    (225, 225, 1.0)
    """
    shifts = np.asarray(shifts, float)
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"step={step!r} was given, expected a positive length.")
    if shifts.ndim != 2 or shifts.shape[1] != 2 or not np.isfinite(shifts).all():
        raise ValueError(
            f"The shifts have the shape {shifts.shape}, expected finite numbers of "
            "shape (n_frames, 2): rows and columns for every frame."
        )
    if not psf >= 0:
        raise ValueError(f"psf={psf!r} was given, expected a length, 0 or more.")
    if fine_step is None:
        fine_step = _smallest_distance(shifts, step)
    if not 0 < fine_step <= step:
        raise ValueError(
            f"fine_step={fine_step:g} was given for a step of {step:g}, expected a "
            "positive length that is not larger."
        )
    plan = _judge(step, shifts, psf, fine_step)
    if propose:
        found = _best(step, len(shifts), psf, fine_step)
        if _order(found) < _order(plan):
            plan = Plan(**{**vars(plan), "proposal": found})
    return plan


def _smallest_distance(shifts, step):
    apart = np.abs(shifts[:, None] - shifts[None]).ravel()
    apart = apart[apart > 1e-6 * step]
    return min(float(apart.min()), step) if apart.size else step


def _judge(step, shifts, psf, fine_step):
    scale = step / fine_step
    whole = Fraction(scale).limit_denominator(12)
    n = whole.numerator * max(1, -(-_FIELD // whole.numerator))
    per_frame = round(n / scale)
    q = np.arange(n) - n // 2
    spread = np.exp(-2 * (np.pi * q * psf / fine_step / n) ** 2)
    waves = []
    for axis in (0, 1):
        place = step * np.arange(per_frame) + shifts[:, axis, None]
        waves.append(
            np.exp(2j * np.pi * q * place[..., None] / (step * per_frame))
            * spread
            / np.sqrt(n)
        )
    A = np.einsum("kip,kjq->kijpq", *waves).reshape(-1, n * n)
    # The Gram matrix has n^2 rows whatever the number of frames.
    squares, vectors = np.linalg.eigh(A.conj().T @ A)
    known = squares > _NOTHING * squares[-1]
    squares, null = squares[known], vectors[:, ~known]
    by_frequency = np.sqrt((np.abs(vectors[:, known]) ** 2 / squares).sum(axis=1))
    from_prior = (np.abs(null) ** 2).sum(axis=1)
    by_frequency[from_prior > 1e-6] = np.inf
    part = np.round((shifts / step) % 1 * 1e6).astype(int) % 10**6
    return Plan(
        step=float(step),
        fine_step=float(fine_step),
        psf=float(psf),
        shifts=shifts,
        n_distinct=len(np.unique(part, axis=0)),
        rank=int(known.sum()),
        n_unknowns=n * n,
        condition=float(np.sqrt(squares[-1] / squares[0])),
        amplification=float(np.sqrt(np.mean(1 / squares))),
        by_frequency=by_frequency.reshape(n, n),
        from_prior=from_prior.reshape(n, n),
        frequencies=q / (n * fine_step),
    )


def _order(plan):
    """Plans by what they determine, then by the noise; small differences are none."""
    return -plan.rank, round(plan.amplification, 3)


def _best(step, n_frames, psf, fine_step):
    """Regular sets of shifts, rows times columns, with no more frames than given."""
    sets = [
        [(step * i / p, step * j / q) for i in range(p) for j in range(q)]
        for p in range(1, n_frames + 1)
        for q in range(1, n_frames // p + 1)
    ]
    plans = [_judge(step, np.array(s), psf, fine_step) for s in _largest(sets)]
    return min(plans, key=_order)


def _largest(sets, n_kept=6):
    """The sets with most frames that are nearest to square."""
    return sorted(
        sets, key=lambda s: (-len(s), abs(len({y for y, _ in s}) ** 2 - len(s)))
    )[:n_kept]

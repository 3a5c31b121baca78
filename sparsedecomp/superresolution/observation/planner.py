"""Rank, condition and amplified noise of a planned set of shifted frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.results import Result, Table, drawn_by

# Least side of the periodic field that a plan is judged on, in fine pixels. A larger
# field resolves frequencies more finely; the time grows with its sixth power.
_FIELD = 12
# Squares of singular values below this part of the largest one count as zero: rounding
# leaves about 1e-13, and a frequency so weak would be noise a thousandfold.
_NOTHING = 1e-6
# Missing frequencies are said to lie along one axis if their sum there is so many times
# that along the other one.
_ONE_WAY = 1.2


@dataclass(frozen=True, repr=False)
class Plan(Result):
    """What a set of shifts can tell about a finer map, by `plan_shifts`.

    Attributes
    ----------
    step, fine_step, psf : float
        Step of the frames, step of the fine map and standard deviation of the spot, in
        the units of the shifts.
    shifts : (n_frames, 2) array
        Shifts of rows and columns.
    n_distinct : int
        Number of shifts that differ by more than whole steps.
    rank : int
        Number of frequencies of the fine map that the frames determine.
    n_unknowns : int
        Number of all frequencies of the fine map.
    condition : float
        Ratio of the largest to the smallest singular value of what is determined.
    amplification : float
        Noise of the fine map over the noise of a sample, root mean square over what is
        determined, without any prior.
    by_frequency : (n, n) array
        The same for every frequency, rows first, zero frequency in the middle; infinite
        where a part of it comes from the prior alone.
    from_prior : (n, n) array
        Part of every frequency that no frame tells about, 0 to 1.
    frequencies : (n,) array
        Frequencies of `by_frequency` along each axis, in cycles per unit of the shifts.
    proposal : Plan or None
        Better shifts with no more frames; None where none is better.
    """

    step: float
    fine_step: float
    psf: float
    shifts: NDArray
    n_distinct: int
    rank: int
    n_unknowns: int
    condition: float
    amplification: float
    by_frequency: NDArray
    from_prior: NDArray
    frequencies: NDArray
    proposal: Plan | None = field(default=None)

    plot = drawn_by("plot_plan")

    @property
    def missing(self) -> NDArray:
        """Frequencies (rows, columns) that come from the prior, in part or whole."""
        rows, columns = np.nonzero(np.isinf(self.by_frequency))
        return np.stack([self.frequencies[rows], self.frequencies[columns]], axis=1)

    def describe_missing(self) -> str:
        """Say in words which frequencies come from the prior alone.

        Returns
        -------
        str
            A sentence.
        """
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

    @property
    def summary(self) -> str:
        """Frames, steps and rank in one line."""
        return (
            f"{len(self.shifts)} frames ({self.n_distinct} distinct) at a step of "
            f"{self.step:g}, for a map at {self.fine_step:g}: rank {self.rank} of "
            f"{self.n_unknowns}"
        )

    def _details(self) -> Iterator[str | Table]:
        plans = [("as planned", self), ("better", self.proposal)]
        yield [
            ["shifts", "frames", "rank", "condition", "amplification"],
            *(
                [
                    name,
                    f"{len(plan.shifts)}",
                    f"{plan.rank}",
                    f"{plan.condition:.3g}",
                    f"{plan.amplification:.3g}",
                ]
                for name, plan in plans
                if plan is not None
            ),
        ]
        yield self.describe_missing()
        if self.proposal is not None:
            better = ", ".join(f"({y:.4g}, {x:.4g})" for y, x in self.proposal.shifts)
            yield f"Better shifts: {better}"


def plan_shifts(
    step: float,
    shifts: ArrayLike,
    psf: float = 0.0,
    fine_step: float | None = None,
    propose: bool = True,
) -> Plan:
    """Say what shifted frames can tell about a finer map, before they are measured.

    On a periodic field the samples ``exp(i q u)`` of every frequency ``q`` of the fine
    map make one matrix, whose singular values give the rank and the noise [1]_. Where
    the rank is low, several frequencies are aliased into one another and only a prior
    can separate them.

    The plan says what the positions allow. It does not know the specimen, and a point
    spread much wider than the fine step suppresses the signal whatever the shifts.

    Parameters
    ----------
    step : float
        Distance between the samples of a frame.
    shifts : (n_frames, 2) array
        Where frames begin, along rows and columns, in the units of ``step``.
    psf : float, default 0
        Standard deviation of the Gaussian spot, in the same units.
    fine_step : float, optional
        Step of the fine map; default: the smallest distance between two shifts along an
        axis.
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
    starts = np.asarray(shifts, float)
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"step={step!r} was given, expected a positive length.")
    if starts.ndim != 2 or starts.shape[1] != 2 or not np.isfinite(starts).all():
        raise ValueError(
            f"The shifts have the shape {starts.shape}, expected finite numbers of "
            "shape (n_frames, 2): rows and columns for every frame."
        )
    if not psf >= 0:
        raise ValueError(f"psf={psf!r} was given, expected a length, 0 or more.")
    if fine_step is None:
        fine_step = _smallest_distance(starts, step)
    if not 0 < fine_step <= step:
        raise ValueError(
            f"fine_step={fine_step:g} was given for a step of {step:g}, expected a "
            "positive length that is not larger."
        )
    plan = _judge(step, starts, psf, fine_step)
    if propose:
        best = _best(step, len(starts), psf, fine_step)
        if _order(best) < _order(plan):
            plan = replace(plan, proposal=best)
    return plan


def _smallest_distance(shifts: NDArray, step: float) -> float:
    apart = np.abs(shifts[:, None] - shifts[None]).ravel()
    apart = apart[apart > 1e-6 * step]
    return min(float(apart.min()), step) if apart.size else step


def _judge(step: float, shifts: NDArray, psf: float, fine_step: float) -> Plan:
    """The plan of some shifts, from the eigenvalues of their Gram matrix."""
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


def _order(plan: Plan) -> tuple[int, float]:
    """Sorting key: what a plan determines, then its noise to three decimals."""
    return -plan.rank, round(plan.amplification, 3)


def _best(step: float, n_frames: int, psf: float, fine_step: float) -> Plan:
    """Regular sets of shifts, rows times columns, with no more frames than given."""
    sets = [
        [(step * i / p, step * j / q) for i in range(p) for j in range(q)]
        for p in range(1, n_frames + 1)
        for q in range(1, n_frames // p + 1)
    ]
    plans = [_judge(step, np.array(s), psf, fine_step) for s in _largest(sets)]
    return min(plans, key=_order)


def _largest(
    sets: list[list[tuple[float, float]]], n_kept: int = 6
) -> list[list[tuple[float, float]]]:
    """The sets with most frames, those nearest to a square first."""
    return sorted(
        sets, key=lambda s: (-len(s), abs(len({y for y, _ in s}) ** 2 - len(s)))
    )[:n_kept]

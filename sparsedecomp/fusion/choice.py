"""The guide judged, the point spread found, and the method chosen, without a truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.degradation.acceptance import Acceptance, judge_guide
from sparsedecomp.fusion.degradation.estimation import (
    PointSpreadEstimate,
    estimate_point_spread,
)
from sparsedecomp.fusion.methods import METHODS
from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.model import spatial_components
from sparsedecomp.fusion.process.posterior import Process
from sparsedecomp.fusion.verdict import Verdict, regression_error, sign_of


@dataclass(frozen=True, eq=False)
class Choice:
    """The solution that was chosen and what led to it.

    Attributes
    ----------
    method : str
        Name of the method.
    solution : Solution
        Its fine coefficients.
    problem : Problem
        The problem with the degradation that was found.
    estimate : PointSpreadEstimate or None
        Blind estimate of the point spread.
    verdict : Verdict
        What the guide was worth.
    """

    method: str
    solution: Solution
    problem: Problem
    estimate: PointSpreadEstimate | None
    verdict: Verdict


def choose(
    problem: Problem,
    method: str,
    parameters: Mapping[str, Any],
    *,
    told: bool,
    register: bool,
) -> Choice:
    """Judge the guide, find the point spread, and solve.

    Parameters
    ----------
    problem : Problem
        Cube, guide and a first degradation.
    method : str
        Name of a method; "auto" for the guided or the spatial process.
    parameters : dict of str to object
        Parameters of the method.
    told : bool
        Whether the point spread of the first degradation is known.
    register : bool
        Whether a shift of the guide is looked for.

    Returns
    -------
    Choice
        Solution and verdict.
    """
    guided = method == "auto" or METHODS[method].guided
    if not guided:
        verdict = Verdict("rejected", "the method does not use it.", {}, 0, None)
        solution = METHODS[method].load()(problem, **parameters)
        return Choice(method, solution, problem, None, verdict)
    acceptance = judge_guide(problem.maps, problem.guide, problem.degradation, register)
    problem = replace(problem, guide=moved(problem.guide, acceptance.shift))
    estimate = None
    if acceptance.accepted or method != "auto":
        if not told:
            estimate = estimate_point_spread(
                problem.maps, problem.guide, problem.degradation
            )
            found = problem.degradation.with_psf(estimate.psf)
            problem = problem.with_degradation(found)
    if method != "auto":
        solution = METHODS[method].load()(problem, **parameters)
        held_out = {method: solution.held_out}
        verdict = Verdict(
            "accepted",
            f"method={method!r} uses it in any case; {_reason(acceptance)}",
            held_out if np.isfinite(solution.held_out) else {},
            sign_of(problem),
            acceptance,
        )
        return Choice(method, solution, problem, estimate, verdict)
    return _automatic(problem, acceptance, estimate)


def _automatic(
    problem: Problem, acceptance: Acceptance, estimate: PointSpreadEstimate | None
) -> Choice:
    """The guided process if the guide is accepted and predicts better than place."""
    spatial = Process.fit(problem, spatial_components(problem))
    held_out = {"spatial_process": spatial.held_out(problem)}
    reason, sign = _reason(acceptance), sign_of(problem)
    if acceptance.accepted:
        solution = METHODS["guided_process"].load()(problem)
        held_out = {
            "guided_process": solution.held_out,
            **held_out,
            "regression": regression_error(problem),
        }
        if solution.held_out < held_out["spatial_process"]:
            verdict = Verdict("accepted", reason, held_out, sign, acceptance)
            return Choice("guided_process", solution, problem, estimate, verdict)
        reason = "pixels left out are predicted no better with it than without."
    verdict = Verdict("rejected", reason, held_out, sign, acceptance)
    return Choice(
        "spatial_process", spatial.posterior(problem), problem, estimate, verdict
    )


def _reason(acceptance: Acceptance) -> str:
    share, placebo = 100 * acceptance.unexplained, 100 * acceptance.placebo
    text = (
        f"the cube leaves {share:.3g} % of it unexplained, and {placebo:.3g} % of the "
        "same image at wrong places."
    )
    if acceptance.shift != (0, 0):
        down, right = acceptance.shift
        text += f" It was moved by {down} rows and {right} columns."
    return text


def moved(guide: NDArray, shift: tuple[int, int]) -> NDArray:
    """A guide moved by whole pixels; what enters at the edges is mirrored.

    Parameters
    ----------
    guide : (H, W, m) array
        Bands of the guide.
    shift : (int, int)
        Pixels towards later rows and columns.

    Returns
    -------
    (H, W, m) array
        The guide itself if the shift is zero.
    """
    if shift == (0, 0):
        return guide
    places = []
    for n, by in zip(guide.shape[:2], shift, strict=True):
        reach = abs(by)
        folded = np.pad(np.arange(n), reach, mode="reflect")
        places.append(folded[reach - by : reach - by + n])
    return guide[np.ix_(*places)]

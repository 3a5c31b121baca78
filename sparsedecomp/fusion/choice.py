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
from sparsedecomp.fusion.degradation.point_spread import PointSpread
from sparsedecomp.fusion.methods import METHODS
from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.process.model import guided_components, spatial_components
from sparsedecomp.fusion.process.posterior import Process
from sparsedecomp.fusion.response import guide_response
from sparsedecomp.fusion.solvers.process import NOISY, guided_process
from sparsedecomp.fusion.solvers.variational import total_variation
from sparsedecomp.fusion.trust import replaced, untrusted_places
from sparsedecomp.fusion.verdict import Verdict, regression_error, sign_of

# A guide of which the cube leaves less than this unexplained is a mixture of channels:
# on airborne cubes 1e-4 to 1e-2, on EELS with its dark-field image .06.
LINEAR = 0.02
# Coefficients of a field beyond which total variation takes too much memory: it holds
# ten times as many numbers.
_LARGE = 10_000_000


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
    if acceptance.accepted:
        problem = replace(problem, mask=untrusted_places(problem))
    if (acceptance.accepted or method != "auto") and not told:
        estimate, problem = _with_point_spread(problem)
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


def _with_point_spread(problem: Problem) -> tuple[PointSpreadEstimate, Problem]:
    """The problem with the point spread that its guide, or the evidence, speaks for."""
    keep = None if problem.mask is None else ~problem.mask.ravel()
    start = problem.degradation
    estimate = estimate_point_spread(problem.maps, problem.guide, start, keep)
    if estimate.unexplained < LINEAR:
        return estimate, problem.with_degradation(start.with_psf(estimate.psf))
    # Of a guide that is no mixture of channels the best prediction of the guide says
    # little: the evidence of the coefficients decides.
    step = start.grids.step
    candidates = [
        estimate.psf,
        PointSpread("box", step),
        PointSpread("gaussian", step),
        PointSpread("gaussian", (0.5 * step[0], 0.5 * step[1])),
    ]
    evidence = {}
    for psf in candidates:
        trial = problem.with_degradation(start.with_psf(psf))
        process = Process.fit(trial, guided_components(trial, textured=False))
        evidence[psf.describe()] = process.evidence
    best = int(np.argmax(list(evidence.values())))
    found = replace(estimate, psf=candidates[best], evidence=evidence)
    return found, problem.with_degradation(start.with_psf(found.psf))


def _automatic(
    problem: Problem, acceptance: Acceptance, estimate: PointSpreadEstimate | None
) -> Choice:
    """The guided process if the guide is accepted and predicts better than place."""
    spatial = Process.fit(problem, spatial_components(problem))
    held_out = {"spatial_process": spatial.held_out(problem)}
    reason, sign = _reason(acceptance), sign_of(problem)
    if acceptance.accepted:
        solution = guided_process(problem)
        held_out = {
            "guided_process": solution.held_out,
            **held_out,
            "regression": regression_error(problem),
        }
        if solution.held_out < held_out["spatial_process"]:
            solution = _polished(problem, solution)
            outcome = "accepted"
            if problem.mask is not None:
                outcome = "accepted in part"
                share = 100 * problem.mask.mean()
                reason += f" In {share:.2g} % of the field it contradicts the cube."
                everywhere = replace(problem, mask=None)
                solution = replaced(problem, solution, spatial.posterior(everywhere))
            verdict = Verdict(outcome, reason, held_out, sign, acceptance)
            return Choice("guided_process", solution, problem, estimate, verdict)
        reason = "pixels left out are predicted no better with it than without."
    verdict = Verdict("rejected", reason, held_out, sign, acceptance)
    return Choice(
        "spatial_process", spatial.posterior(problem), problem, estimate, verdict
    )


def _polished(problem: Problem, solution: Solution) -> Solution:
    """Total variation on top, where the guide is a mixture of channels."""
    rest = guide_response(problem).rest
    coarse = problem.coarse_guide[problem.trusted]
    linear = float(np.mean(rest / np.maximum(coarse.var(axis=0), 1e-300))) < LINEAR
    whole = len(problem.degradation.kernels()) == 1
    noisy = solution.details.get("noise_share", 0.0) > 1 - NOISY
    if not linear or not whole or noisy or solution.maps.size > _LARGE:
        return solution
    return total_variation(problem, solution)


def _reason(acceptance: Acceptance) -> str:
    share, placebo = 100 * acceptance.unexplained, 100 * acceptance.placebo
    text = (
        f"the cube leaves {share:.3g} % of it unexplained, and {placebo:.3g} % of the "
        "same image at wrong places."
    )
    if acceptance.would_fit:
        text += (
            f" It would fit {acceptance.would_fit}: check the direction of its axes."
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

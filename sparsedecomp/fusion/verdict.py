"""What a guide was worth, in words and in decibels over the alternatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.degradation.acceptance import Acceptance
from sparsedecomp.fusion.problem import Problem

# Correlation with the intensity of the cube below which no sign is claimed.
_NO_SIGN = 0.2
OUTCOMES = ("accepted", "accepted in part", "rejected")


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether the guide was used, why, and by how much it helped.

    Attributes
    ----------
    outcome : {"accepted", "accepted in part", "rejected"}
        Whether the guide was used everywhere, but for some places, or not at all.
    reason : str
        Why, in a sentence.
    held_out : dict of str to float
        Error of coarse pixels that were left out, in units of their noise, for each
        method that was compared.
    sign : int
        1 where bright places of the guide are bright in the cube, -1 where they are
        dark, 0 where neither is clear.
    acceptance : Acceptance or None
        Outcome of the test against placebos; None if it was not made.
    """

    outcome: str
    reason: str
    held_out: dict[str, float]
    sign: int
    acceptance: Acceptance | None

    @property
    def gains(self) -> dict[str, float]:
        """Decibels by which the guide predicts pixels left out better than others."""
        own = self.held_out.get("guided_process", np.nan)
        return {
            name: float(20 * np.log10(error / own))
            for name, error in self.held_out.items()
            if name != "guided_process" and np.isfinite(own)
        }

    def describe(self) -> str:
        """Outcome, reason and gains in one paragraph.

        Returns
        -------
        str
            Some sentences.
        """
        text = f"The guide was {self.outcome}: {self.reason}"
        if self.gains:
            parts = [f"{gain:+.1f} dB over {name}" for name, gain in self.gains.items()]
            text += f" Pixels left out are predicted {' and '.join(parts)}."
        if self.sign < 0:
            text += " Its contrast is inverted: bright places are dark in the cube."
        return text


def sign_of(problem: Problem) -> int:
    """Sign of the contrast of the guide's first band against the cube's intensity.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    int
        1, -1, or 0 where their correlation is small.
    """
    intensity = problem.flat @ problem.subspace.spectra.sum(axis=1)
    guide = problem.coarse_guide.mean(axis=1)
    if not (np.ptp(intensity) > 0 and np.ptp(guide) > 0):
        return 0
    r = float(np.corrcoef(intensity, guide)[0, 1])
    return 0 if abs(r) < _NO_SIGN else int(np.sign(r))


def regression_error(problem: Problem) -> float:
    """Error of coefficients that the degraded guide predicts alone, by regression.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    float
        Root mean square of residuals of pixels left out one by one, in units of the
        noise.
    """
    g = problem.coarse_guide
    A = np.column_stack(
        [(g - g.mean(axis=0)) / (g.std(axis=0) + 1e-300), np.ones(len(g))]
    )
    q = np.linalg.qr(A)[0]
    leverage = np.minimum(np.square(q).sum(axis=1), 0.999)
    errors: NDArray = (problem.flat - q @ (q.T @ problem.flat)) / (1 - leverage)[
        :, None
    ]
    return float(np.sqrt(np.mean(errors**2) / problem.noise.mean()))

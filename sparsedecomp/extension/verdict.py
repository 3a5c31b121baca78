"""The verdict on a decomposition: what the data say against its result."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from ..decomposition.automatic.verdict import (
    DoubtfulResultWarning,
    Verdict,
    rivals_of,
    verdict_on_number,
    verdict_on_relevance,
)

if TYPE_CHECKING:
    from ..blocks import BlockMatrix
    from ..decomposition.base import BlockFactorisation
    from .algorithms import Algorithm

# Fewer channels hold no lines that could be seen to move.
_LEAST_CHANNELS = 32


def judge(
    choice: Algorithm, estimator: BlockFactorisation, blocks: BlockMatrix
) -> Verdict | None:
    """Compare a decomposition with what the data themselves tell.

    An estimator that has a verdict of its own keeps it. Otherwise the number of
    components is compared with the number that rises above the noise, in two passes
    over counts and up to six over other data. For algorithms that find the number
    themselves, cosmic rays and a drift of the energy axis are looked for too, in two
    passes more, and doubts are also a warning.

    Parameters
    ----------
    choice : Algorithm
        What was fitted.
    estimator : BlockFactorisation
        The fitted estimator.
    blocks : BlockMatrix
        The data, not scaled.

    Returns
    -------
    Verdict or None
        None for decompositions of tensors, and for fits that were interrupted.
    """
    if hasattr(estimator, "verdict_"):
        return estimator.verdict_
    if choice.name in ("cpd", "tucker") or estimator.interrupted_:
        return None
    if choice.needs_dimension or choice.name == "sss_vca":
        return verdict_on_number(estimator.n_components_, blocks)
    relevance = "ard_relevance" in choice.per_component
    verdict = (
        verdict_on_relevance(estimator, blocks)
        if relevance
        else verdict_on_number(estimator.n_components_, blocks)
    )
    if choice.name == "simplex_ml":
        doubts = *verdict.doubts, *rivals_of(estimator)
        verdict = replace(verdict, doubts=doubts, examined="spectra")
    if estimator.n_components is not None and not relevance:
        return verdict
    doubts = *verdict.doubts, *_misleading(choice, blocks, drift=not relevance)
    verdict = replace(verdict, doubts=doubts)
    if verdict.doubtful:
        warnings.warn(str(verdict), DoubtfulResultWarning, stacklevel=4)
    return verdict


def _misleading(choice, blocks, drift):
    """Sentences on single entries and on a drift that the fit did not know of."""
    from ..decomposition import estimate_energy_drift
    from ..decomposition.energy_drift.estimate import drift_finding
    from ..noise import count_gain, find_spikes

    if blocks.sparse:
        return
    unit = count_gain(blocks)
    spikes, _, _ = find_spikes(blocks, unit)
    if len(spikes):
        first = blocks.place(spikes.rows[0], spikes.columns[0])
        yield (
            f"{len(spikes)} single entries stand far above all around them, the first "
            f"at {first}: cosmic rays or defects of the detector, which {choice.name} "
            "takes for components or lets take the place of one. Remove them, for "
            "instance with s.spikes_removal_tool(), mask their pixels, or use "
            "algorithm='nmf_so_ard', which leaves them out; s.check_data() names them."
        )
    if drift and blocks.shape[1] >= _LEAST_CHANNELS:
        found = estimate_energy_drift(spikes.removed_from(blocks), unit)
        finding = drift_finding(blocks, found)
        if finding is not None:
            yield (
                f"{finding.message} {choice.name} counts them; "
                "algorithm='nmf_so_ard' takes the drift out."
            )

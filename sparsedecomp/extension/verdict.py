"""The verdict on a decomposition: what the data say against its result."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..decomposition.automatic.verdict import (
    DoubtfulResultWarning,
    Verdict,
    noise_of_fit,
    residual_doubts,
    rivals_of,
    verdict_on_number,
    verdict_on_relevance,
)
from ..noise import find_noise

if TYPE_CHECKING:
    import numpy as np

    from ..blocks import BlockMatrix
    from ..decomposition.base import BlockFactorisation
    from .algorithms import Algorithm

# Fewer channels hold no lines that could be seen to move.
_LEAST_CHANNELS = 32


def judge(
    choice: Algorithm,
    estimator: BlockFactorisation,
    blocks: BlockMatrix,
    maps: np.ndarray,
    spectra: np.ndarray,
    *,
    weighted: bool = False,
) -> Verdict | None:
    """Compare a decomposition with what the data themselves tell.

    An estimator that has a verdict of its own keeps it. Otherwise the number of
    components is compared with the number that rises above the noise, in two passes
    over counts and up to six over other data, and the residual with the noise, in one
    pass over some pixels. For algorithms that find the number themselves, cosmic rays
    and a drift of the energy axis are looked for too, in two passes more, and doubts
    are also a warning.

    Parameters
    ----------
    choice : Algorithm
        What was fitted.
    estimator : BlockFactorisation
        The fitted estimator.
    blocks : BlockMatrix
        The data, not scaled.
    maps : (n_pixels, k) array
        Maps of the fit, in the units of the data.
    spectra : (k, n_channels) array
        Spectra of the fit.
    weighted : bool, default False
        Whether the data were weighted for the fit, which then had other noise.

    Returns
    -------
    Verdict or None
        None for decompositions of tensors, whose residual may be a warning, and for
        fits that were interrupted.
    """
    if hasattr(estimator, "verdict_"):
        return estimator.verdict_
    if estimator.interrupted_:
        return None
    if "ard_relevance" in choice.per_component:
        verdict = verdict_on_relevance(estimator, maps, blocks)
        return _warned(_with(verdict, _misleading(choice, blocks, drift=False)))
    noise = find_noise(blocks) if weighted else noise_of_fit(estimator, blocks)
    residual = residual_doubts(blocks, maps, spectra, noise)
    if choice.name in ("cpd", "tucker"):
        _warned(_with(Verdict(estimator.n_components_), residual))
        return None
    verdict = _with(verdict_on_number(estimator.n_components_, blocks), residual)
    if choice.name != "simplex_ml":
        return verdict
    verdict = replace(_with(verdict, rivals_of(estimator)), examined="spectra")
    if estimator.n_components is not None:
        return verdict
    return _warned(_with(verdict, _misleading(choice, blocks, drift=True)))


def _with(verdict: Verdict, doubts: Iterable[str]) -> Verdict:
    return replace(verdict, doubts=(*verdict.doubts, *doubts))


def _warned(verdict: Verdict) -> Verdict:
    if verdict.doubtful:
        warnings.warn(str(verdict), DoubtfulResultWarning, stacklevel=5)
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

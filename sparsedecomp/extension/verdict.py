"""Doubt about a decomposition, told where the user looks."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..blocks import BlockMatrix
    from .algorithms import Algorithm


# Fewer channels hold no lines that could be seen to move.
_LEAST_CHANNELS = 32


class DoubtfulResultWarning(UserWarning):
    """The data contradict the result of a decomposition."""


def warn_of_doubt(choice: Algorithm, estimator, blocks: BlockMatrix) -> None:
    """Warn where the number of components found is contradicted by the data.

    Automatic relevance counts whatever the model does not explain: noise where pixels
    or channels are few, stray counts, cosmic rays, drift. The edge of the noise is an
    independent count, in two or three passes over the data. Cosmic rays rise above the
    noise, too: single entries that stand out from all around them are looked for in one
    or two passes more.

    Parameters
    ----------
    choice : Algorithm
        What was fitted. Judged are automatic relevance and, as to cosmic rays and a
        drift of the energy axis, `SimplexML`, whose number is that above the noise.
    estimator : object
        The fitted estimator.
    blocks : BlockMatrix
        The data, not scaled.
    """
    if choice.name == "simplex_ml" and estimator.n_components is None:
        _warn_of_drift(choice, blocks, _warn_of_spikes(choice, blocks))
    if choice.needs_dimension or "ard_relevance" not in choice.per_component:
        return
    noise = getattr(estimator, "noise_model_", "poisson")
    if getattr(estimator, "clipped_", False) or estimator.interrupted_:
        return
    _warn_of_spikes(choice, blocks)
    from ..decomposition import estimate_rank

    method = "bootstrap" if noise == "poisson" else "noise_edge"
    found = estimator.n_components_
    try:
        rank = estimate_rank(blocks, method, noise=noise, random_state=0)
    except ValueError:
        return  # data that only the model of the fit can weigh
    low, high = rank.interval
    bounded = estimator.n_components is not None and found >= estimator.n_components
    if low <= found <= high or (bounded and found < low):
        return
    span = f"{low}" if low == high else f"{low} to {high}"
    advice = (
        f"s.check_data() looks for what adds components; algorithm='simplex_ml', or "
        f"output_dimension={max(low, 1)} as upper bound, gives an answer without them."
        if found > high
        else "algorithm='simplex_ml' tries the larger number."
    )
    warnings.warn(
        f"{choice.name} kept {found} components, but {span} rise above the noise: the "
        f"result is doubtful. {advice}",
        DoubtfulResultWarning,
        stacklevel=4,
    )


def _warn_of_spikes(choice, blocks):
    """Warn of single entries, and return the size of one count and the entries."""
    from ..noise import find_spikes
    from ..noise.whitening import is_counts

    if blocks.sparse:
        return None
    summary = blocks.describe()
    unit = (summary.quantum or 1.0) if is_counts(summary) else 0.0
    spikes, _, _ = find_spikes(blocks, unit)
    if len(spikes):
        first = blocks.place(spikes.rows[0], spikes.columns[0])
        warnings.warn(
            f"{len(spikes)} single entries stand far above all around them, the first "
            f"at {first}: cosmic rays or defects of the detector, which {choice.name} "
            "takes for components or lets take the place of one. Remove them, for "
            "instance with s.spikes_removal_tool(), or mask their pixels; "
            "s.check_data() names them.",
            DoubtfulResultWarning,
            stacklevel=5,
        )
    return unit, spikes


def _warn_of_drift(choice, blocks, looked_at):
    if looked_at is None or blocks.shape[1] < _LEAST_CHANNELS:
        return
    from ..decomposition import estimate_energy_drift
    from ..decomposition.energy_drift.estimate import drift_finding

    unit, spikes = looked_at
    drift = estimate_energy_drift(spikes.removed_from(blocks), unit)
    finding = drift_finding(blocks, drift)
    if finding is not None:
        warnings.warn(
            f"{finding.message} {choice.name} counts them: the result is doubtful. "
            f"{finding.advice}",
            DoubtfulResultWarning,
            stacklevel=5,
        )

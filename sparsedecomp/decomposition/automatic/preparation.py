"""What misleads a fit is taken out of the data first: cosmic rays and energy drift."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.automatic.denoised import white_components
from sparsedecomp.decomposition.automatic.plural_scattering import (
    PluralScattering,
    find_plural_scattering,
)
from sparsedecomp.decomposition.energy_drift.estimate import (
    EnergyDrift,
    estimate_energy_drift,
)
from sparsedecomp.decomposition.rank import RankEstimate, estimate_rank
from sparsedecomp.noise import count_gain, find_noise
from sparsedecomp.noise.spikes import NO_SPIKES, Spikes, find_spikes

# Fewer channels hold no lines that could be seen to move.
_LEAST_CHANNELS = 32


@dataclass(frozen=True)
class PreparedData:
    """Data as they are fitted.

    Attributes
    ----------
    blocks : BlockMatrix
        The data, spikes replaced and spectra aligned whenever they are read.
    noise : str
        Noise model to fit them with; "auto" where the data are no counts.
    unit : float
        Size of one count; 0 where the data are no counts.
    spikes : Spikes
        Entries that are replaced.
    drift : EnergyDrift or None
        What was found; None where it was not looked for.
    rank : RankEstimate
        Number of components of the data with their spikes replaced.
    scattering : PluralScattering or None
        Plural scattering that makes some of these components.
    resampled : bool
        Whether the data seem to be counts that were blurred or interpolated.
    n_white : int
        Number of components that are noise which a denoising kept.
    """

    blocks: BlockMatrix
    noise: str
    unit: float
    spikes: Spikes
    drift: EnergyDrift | None
    rank: RankEstimate
    scattering: PluralScattering | None
    resampled: bool = False
    n_white: int = 0

    @property
    def aligned(self) -> bool:
        """Whether a drift of the energy axis is taken out."""
        return self.drift is not None and self.drift.found

    @property
    def n_components(self) -> int:
        """The lower end of the rank, or the number without drift or scattering."""
        if self.scattering is not None:
            return self.scattering.n_components
        if self.drift is not None and self.drift.found:
            return self.drift.n_components
        return max(self.rank.interval[0], 1)


def prepare(
    blocks: BlockMatrix, noise: str, energy_drift: bool | str, seed: int
) -> PreparedData:
    """Find spikes, a drift of the energy axis and the number of components.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model, see `estimate_rank`.
    energy_drift : {"auto", True, False}
        Whether to model a drift: where it is beyond doubt, always, never.
    seed : int
        Seed of all random draws.

    Returns
    -------
    PreparedData
        The data themselves do not change.
    """
    summary = blocks.describe()
    unit = count_gain(blocks) if noise == "auto" else find_noise(blocks, noise).gain
    if unit:
        noise = "poisson"
    blocks, spikes = without_spikes(blocks, unit)
    drift = None
    if energy_drift and not blocks.sparse and blocks.shape[1] >= _LEAST_CHANNELS:
        drift = estimate_energy_drift(blocks, unit, seed, required=energy_drift is True)
    rank = estimate_rank(blocks, noise=noise, random_state=seed)
    if rank.noise_model == "estimated" and rank.method == "noise_edge":
        # Weights that were estimated where the noise is even anyway leave structure
        # behind, which counts as components.
        even = estimate_rank(blocks, "noise_edge", noise="uniform", random_state=seed)
        if even.interval[0] < rank.interval[0]:
            rank, noise = even, "uniform"
    scattering = None
    if drift is not None and drift.found:
        blocks = blocks.corrected(shift=drift.shift)
    elif summary.minimum >= 0 and rank.method != "ard" and rank.edge_found:
        scattering = find_plural_scattering(blocks, rank.interval[0])
    n_white = white_components(blocks, find_noise(blocks, noise), rank.n_components)
    return PreparedData(
        blocks, noise, unit, spikes, drift, rank, scattering, summary.resampled, n_white
    )


def without_spikes(blocks: BlockMatrix, unit: float) -> tuple[BlockMatrix, Spikes]:
    """Replace single entries that stand out from all around them, in one or two passes.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled. A sparse matrix is returned as it is.
    unit : float
        Size of one count; 0 where the data are no counts.

    Returns
    -------
    blocks : BlockMatrix
        The same data with their spikes replaced whenever they are read.
    spikes : Spikes
        What is replaced, by whole numbers of counts where the data are counts.
    """
    if blocks.sparse:
        return blocks, NO_SPIKES
    spikes, _, _ = find_spikes(blocks, unit)
    if unit:
        whole = unit * np.round(spikes.replacements / unit)
        spikes = replace(spikes, replacements=whole)
    return spikes.removed_from(blocks), spikes

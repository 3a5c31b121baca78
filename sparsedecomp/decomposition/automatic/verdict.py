"""Whether the data support an unmixing: number, uniqueness, noise, in one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.decomposition.rank import estimate_rank
from sparsedecomp.noise import (
    MOST_COMPONENTS,
    NoiseModel,
    find_noise,
    residual_variance,
    unit_of,
)
from sparsedecomp.noise.count_statistics import RESAMPLED
from sparsedecomp.results import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparsedecomp.blocks import BlockMatrix
    from sparsedecomp.decomposition.automatic.preparation import PreparedData
    from sparsedecomp.decomposition.automatic.support import SupportRival
    from sparsedecomp.decomposition.base import BlockFactorisation
    from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import SimplexML


class DoubtfulResultWarning(UserWarning):
    """The data contradict the result of a decomposition, or do not decide it."""


@dataclass(frozen=True, repr=False)
class Verdict(Result):
    """What speaks for and against an unmixing.

    Attributes
    ----------
    n_components : int
        Number of components of the answer.
    doubts : tuple of str
        Reasons to doubt the answer, as sentences; empty where there are none.
    notes : tuple of str
        What was found in the data and taken into account, as sentences.
    rival_angle : float
        Largest angle in degrees to another answer that the data do not exclude; NaN
        where there is none or none was looked for.
    examined : {"nothing", "number", "spectra"}
        What was compared with the data: nothing, the number of components, or whether
        their spectra are unique, too.
    """

    n_components: int
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rival_angle: float = np.nan
    examined: str = "nothing"

    @property
    def doubtful(self) -> bool:
        """Whether there is any reason to doubt the answer."""
        return bool(self.doubts)

    @property
    def summary(self) -> str:
        """Number of components, and whether there is any reason to doubt the answer."""
        components = f"{self.n_components} component{'s' * (self.n_components != 1)}"
        clear = {
            "nothing": f"the {components} were not compared with the data.",
            "number": f"the data support {components}; whether the spectra are unique "
            "was not examined, see s.unmixing_report().",
            "spectra": f"nothing in the data contradicts the {components}.",
        }[self.examined]
        return f"doubtful: {components}." if self.doubts else clear

    def _details(self) -> Iterator[str]:
        yield from self.doubts
        yield from self.notes

    def __str__(self) -> str:
        first = "doubtful." if self.doubts else self.summary
        return " ".join([first, *self._details()])


def verdict_on(
    model: SimplexML,
    maps: NDArray,
    data: PreparedData,
    support: SupportRival | None = None,
    bound: int | None = None,
) -> Verdict:
    """Verdict on the most likely simplex of prepared data.

    Parameters
    ----------
    model : SimplexML
        Fitted to the prepared data.
    maps : (n_pixels, k) array
        Abundances that it found.
    data : PreparedData
        What was found before the fit.
    support : SupportRival, optional
        Spectra that the channels prefer.
    bound : int, optional
        Upper bound on the number of components that was asked for.

    Returns
    -------
    Verdict
    """
    k = model.n_components_
    doubts = [*_number(k, data, bound), *rivals_of(model, support)]
    # Spectra that are interpolated as they are aligned have noise that is smoothed.
    if not (model.interrupted_ or data.aligned):
        noise = find_noise(data.blocks, data.noise)
        doubts += residual_doubts(data.blocks, maps, model.components_, noise)
    angles = [rival.angle for rival in model.rivals_]
    if support is not None:
        angles.append(support.angle)
    return Verdict(
        k,
        tuple(doubts),
        tuple(_notes(data)),
        float(max(angles, default=np.nan)),
        "nothing" if model.interrupted_ else "spectra",
    )


def rivals_of(model: SimplexML, support: SupportRival | None = None) -> Iterator[str]:
    """Sentences on other answers that the data do not exclude.

    Parameters
    ----------
    model : SimplexML
        Fitted estimator.
    support : SupportRival, optional
        Spectra that the channels prefer.

    Yields
    ------
    str
        One sentence for each kind of rival.
    """
    if support is not None:
        yield (
            "No pixel may be pure, as where a support lies under everything or counts "
            f"are few: spectra with more zeros differ by {support.angle:.0f} degrees "
            "and suit the channels better; algorithm='nmf_kl' with max_iter=5000, "
            "tol=1e-7 finds them."
        )
    if model.rivals_:
        worst = max(model.rivals_, key=lambda rival: rival.angle)
        yield (
            f"The data do not exclude spectra that differ by {worst.angle:.0f} degrees "
            f"(less likely by {worst.difference:.1f} +- {worst.standard_deviation:.1f} "
            "nats): pure pixels, known spectra or more counts decide."
        )


def residual_doubts(
    blocks: BlockMatrix, maps: NDArray, spectra: NDArray, noise: NoiseModel
) -> Iterator[str]:
    """Sentences on a residual that contradicts the noise model.

    Parameters
    ----------
    blocks : BlockMatrix
        The data, read at most once.
    maps : (n_pixels, k) array
        Maps of the fit, in the units of the data.
    spectra : (k, n_channels) array
        Spectra of the fit.
    noise : NoiseModel
        Noise model of the data.

    Yields
    ------
    str
        One sentence for too large a residual and one for too small a residual.
    """
    found = residual_variance(blocks, maps, spectra, noise)
    if found is None:
        return
    if excess := found.excess:
        yield (
            f"The fit leaves {excess.ratio:.3g} times the variance of the noise"
            f"{_place(excess, blocks)}: the model lacks something (components, a "
            "background, a drift), or the noise is larger than its model."
        )
    if lack := found.lack:
        yield (
            f"The fit leaves only {lack.ratio:.2g} of the variance of the noise"
            f"{_place(lack, blocks)}: the noise is smaller than its model, or the data "
            "were smoothed or filled in."
        )


def noise_of_fit(model: BlockFactorisation, blocks: BlockMatrix) -> NoiseModel:
    """Noise model that a fit was made with.

    Parameters
    ----------
    model : estimator
        Fitted estimator.
    blocks : BlockMatrix
        The data.

    Returns
    -------
    NoiseModel
        A likelihood of counts takes the smallest step of the data as one count, however
        much they scatter; other methods ask `find_noise`.
    """
    if hasattr(model, "deviance_"):
        noise = find_noise(blocks, "poisson")
        return replace(noise, gain=unit_of(noise.summary) or 1.0)
    return find_noise(blocks, getattr(model, "noise", "auto"))


def _place(deviation, blocks):
    if deviation.channels is None:
        return ""
    first, last = blocks.columns[list(deviation.channels)]
    most = ", most clearly" if deviation.overall else ""
    named = f"channel {first}" if first == last else f"channels {first} to {last}"
    return f"{most} in {named}"


_NO_EDGE = (
    "No edge divides signal and noise in these data: {k} components are where the "
    "singular values bend, and another number is as well founded."
)


def _number(k, data, bound):
    if data.resampled:
        yield RESAMPLED
    if data.n_white:
        verb = "is" if data.n_white == 1 else "are"
        yield (
            f"Only rounding is left beside {data.rank.n_components} components, and "
            f"{data.n_white} of them {verb} noise, white over channels and pixels: the "
            "data were denoised, by PCA perhaps. Decompose them as they were recorded, "
            "or give n_components."
        )
    if not data.rank.edge_found:
        yield _NO_EDGE.format(k=k)
    if data.scattering is not None:
        yield (
            f"Plural scattering in a specimen of varying thickness makes "
            f"{data.rank.interval[0]} components of about {k}: deconvolve the spectra "
            "with their low loss."
        )
    if bound is not None and data.n_components > bound:
        yield (
            f"{data.n_components} components rise above the noise, but at most {bound} "
            "were allowed."
        )


def _notes(data):
    if number := len(data.spikes):
        yield (
            f"{number} single {'entry' if number == 1 else 'entries'} far above all "
            "around (cosmic rays) left out of the fit."
        )
    if data.aligned:
        yield (
            f"A drift of the energy axis by {np.ptp(data.drift.shift):.2g} channels "
            "was taken out."
        )


def verdict_on_relevance(
    model: BlockFactorisation, maps: NDArray, blocks: BlockMatrix
) -> Verdict:
    """Verdict on the number that automatic relevance determination kept.

    Relevance counts whatever the model does not explain; the edge of the noise is an
    independent count, in two passes over counts and up to six over other data.

    Parameters
    ----------
    model : estimator
        Fitted `NMFSOARD` or `PoissonNMFARD`.
    maps : (n_pixels, k) array
        Abundances that it found.
    blocks : BlockMatrix
        The data.

    Returns
    -------
    Verdict
    """
    found, bound = model.n_components_, model.n_components
    doubts = []
    if bound is None and found >= MOST_COMPONENTS:
        doubts.append(
            f"{found} components are the most that are looked for: there may be more, "
            "or what they fit is no mixture of spectra."
        )
    if blocks.describe().resampled:
        doubts.append(RESAMPLED)
    rank = None
    if not (getattr(model, "clipped_", False) or model.interrupted_):
        noise = str(getattr(model, "noise_model_", "poisson"))
        rank = _edge(blocks, noise)
    if rank is not None and not rank.edge_found:
        doubts.append(_NO_EDGE.format(k=rank.n_components))
    elif rank is not None:
        low, high = rank.interval
        if found > high or (found < low and not (bound and found >= bound)):
            span = f"{low}" if low == high else f"{low} to {high}"
            doubts.append(
                f"{found} components were kept, but {span} rise above the noise; "
                "s.check_data() looks for what adds components."
            )
    if not model.interrupted_:
        declared = noise_of_fit(model, blocks)
        doubts += residual_doubts(blocks, maps, model.components_, declared)
    return Verdict(
        found, tuple(doubts), examined="nothing" if rank is None else "number"
    )


def verdict_on_number(k: int, blocks: BlockMatrix) -> Verdict:
    """Verdict on a number of components that was asked for.

    Parameters
    ----------
    k : int
        Number of components of a fit.
    blocks : BlockMatrix
        The data, read twice if they are counts, else up to six times.

    Returns
    -------
    Verdict
        It has doubts where the number is above that of `estimate_rank` or below its
        interval.
    """
    rank = _edge(blocks, "auto")
    if rank is None:
        return Verdict(k)
    low, seen = rank.interval[0], rank.n_components
    doubts = [RESAMPLED] if blocks.describe().resampled else []
    if not rank.edge_found:
        doubts.append(_NO_EDGE.format(k=seen))
    elif k > seen:
        doubts.append(
            f"{seen} components rise above the noise, {k - seen} of the {k} are noise, "
            "or two stand for one."
        )
    elif k < low:
        doubts.append(
            f"{low} components rise above the noise: with {k}, some are mixtures."
        )
    return Verdict(k, tuple(doubts), examined="number")


def _edge(blocks, noise):
    """The rank by the edge of the noise; None where nothing tells the noise."""
    try:
        method = "bootstrap" if noise == "poisson" else "auto"
        rank = estimate_rank(blocks, method, noise=noise, random_state=0)
    except ValueError:
        return None
    return rank if rank.method in ("bootstrap", "noise_edge") else None

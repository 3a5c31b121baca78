"""Report on how well the data determine an unmixing: a verdict, a table, numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.identifiability.residual_analysis import (
    ResidualAnalysis,
)
from sparsedecomp.metrics import match_components, spectral_angle
from sparsedecomp.results import AxisScale, Result, Table, drawn_by

# Share of the refits that must keep the number of components before the report calls
# it determined (a convention, not fitted to data).
_AGREEMENT = 0.9
# Angle in degrees that stands for a component that a refit does not have.
_ORTHOGONAL = 90.0


@dataclass(frozen=True)
class Refit:
    """One further fit of the same model, to the same pixels or to resampled ones.

    Attributes
    ----------
    n_components : int
        Number of components that this fit ended with.
    angles : (k,) array
        Angle in degrees between each reference component and its match in this fit;
        NaN where the fit has no match.
    spectra : (k, n_channels) array
        Matched spectra of unit norm; NaN where the fit has no match.
    excess : float
        Objective of this fit minus the lowest one of all fits to the same pixels, in
        nats.
    """

    n_components: int
    angles: np.ndarray
    spectra: np.ndarray
    excess: float = 0.0

    @classmethod
    def from_model(
        cls, components: np.ndarray, model: BlockFactorisation, excess: float = 0.0
    ) -> Refit:
        """Match the components of a fitted estimator with those of the reference.

        Parameters
        ----------
        components : (k, n_channels) array
            Reference spectra.
        model : estimator
            Fitted estimator with ``components_``.
        excess : float, default 0
            Objective above the lowest one, in nats.

        Returns
        -------
        Refit
            The matched spectra and their angles to the reference.
        """
        angles = np.full(len(components), np.nan)
        spectra = np.full(components.shape, np.nan)
        reference, matched, matched_angles = match_components(
            components, model.components_
        )
        angles[reference] = matched_angles
        chosen = model.components_[matched]
        spectra[reference] = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
        return cls(model.n_components_, angles, spectra, float(excess))


@dataclass(frozen=True, repr=False)
class UnmixingReport(Result):
    """Evidence for and against the uniqueness and completeness of an unmixing.

    Parameters
    ----------
    components : (k, n_channels) array
        Spectra that the report is about.
    energy : (k,) array
        Share of each component in the sum of squares of the model.
    starts : list of Refit
        Fits from other random starts.
    resamples : list of Refit
        Fits to pixels drawn with replacement.
    tie : float
        Value of `Refit.excess` in nats up to which a fit counts as equally good.
    inner : (k, n_channels) array
        Purest pixels, matched to the components; NaN where there is no match.
    outer : (k, n_channels) array
        Most contrasted spectra whose mixtures stay non-negative, matched to the
        components; NaN where there is no match.
    shared_background : bool
        Whether every component is present nearly everywhere. If the cause is a
        background common to all spectra, the outer spectra carry no information.
    residual : ResidualAnalysis
        Analysis of the data minus the model.
    n_sampled : int
        Number of pixels that the refits used.
    tolerance : float
        Angle in degrees up to which two spectra count as equal.
    channels : (n_channels,) array
        Positions of the channels, for figures.
    channel_label : str
        Axis label of these positions.
    navigation_shape : tuple of int
        Navigation shape in array order.
    rows : (n_pixels,) int array
        Flat index of every pixel that is not masked.
    pixel_axes : tuple of AxisScale, default ()
        Navigation axes of the signal, x before y, for figures.
    half_width : (k, n_channels) array, optional
        Half the width of the 90 % confidence bands of the spectra, in their scale.
    others : dict of str to Refit
        Fits of other methods with as many components, by the name of the method.
    n_above_noise : int, optional
        Number of components above the noise, whatever number was fitted.
    """

    components: np.ndarray
    energy: np.ndarray
    starts: list[Refit]
    resamples: list[Refit]
    tie: float
    inner: np.ndarray
    outer: np.ndarray
    shared_background: bool
    residual: ResidualAnalysis
    n_sampled: int
    tolerance: float
    channels: np.ndarray
    channel_label: str
    navigation_shape: tuple[int, ...]
    rows: np.ndarray
    pixel_axes: tuple[AxisScale, ...] = ()
    half_width: np.ndarray | None = None
    others: dict[str, Refit] = field(default_factory=dict)
    n_above_noise: int | None = None

    plot = drawn_by("plot_unmixing_report")

    @property
    def left(self) -> ResidualAnalysis:
        """Deprecated name of ``residual``."""
        warnings.warn(
            "UnmixingReport.left is deprecated and will be removed in the next "
            "release; use UnmixingReport.residual.",
            FutureWarning,
            stacklevel=2,
        )
        return self.residual

    @property
    def n_components(self) -> int:
        """Number of components that the report is about."""
        return len(self.components)

    @property
    def start_angles(self) -> np.ndarray:
        """(k,) array: largest angle to each component over equally good starts."""
        good = [fit.angles for fit in self.starts if fit.excess <= self.tie]
        if not good:
            return np.full(self.n_components, np.nan)
        return np.max(np.nan_to_num(good, nan=_ORTHOGONAL), axis=0)

    @property
    def resample_angles(self) -> np.ndarray:
        """(k,) array: 90 % quantile of the angles over the resampled fits."""
        if not self.resamples:
            return np.full(self.n_components, np.nan)
        angles = np.array([fit.angles for fit in self.resamples])
        return np.quantile(np.nan_to_num(angles, nan=_ORTHOGONAL), 0.9, axis=0)

    @property
    def band(self) -> np.ndarray:
        """(k,) array: angle in degrees between the inner and the outer spectra."""
        return spectral_angle(self.inner, self.outer)

    @property
    def agreement(self) -> float:
        """Share of all refits that end with the same number of components."""
        fits = [*self.starts, *self.resamples]
        same = [fit.n_components == self.n_components for fit in fits]
        return float(np.mean(same)) if fits else 1.0

    @property
    def determined(self) -> np.ndarray:
        """(k,) bool array: all refits stay within the tolerance of the component."""
        largest = np.fmax(self.start_angles, self.resample_angles)
        return np.nan_to_num(largest, nan=0.0) <= self.tolerance

    @property
    def ties(self) -> str:
        """One sentence on the objectives of the fits from other starts."""
        if not self.starts:
            return "No other starts were tried."
        good = sum(fit.excess <= self.tie for fit in self.starts)
        worst = max(fit.excess for fit in self.starts)
        return (
            f"{good} of {len(self.starts)} starts end within {self.tie:.3g} nats of "
            f"the best, a difference that noise alone can cause; the worst is "
            f"{worst:.3g} nats above it."
        )

    @property
    def comparison(self) -> str:
        """Sentences on the number above the noise and on the fits of other methods."""
        words = []
        if self.n_above_noise is not None:
            verb = "rises" if self.n_above_noise == 1 else "rise"
            noun = "component" if self.n_above_noise == 1 else "components"
            words.append(f"{self.n_above_noise} {noun} {verb} above the noise.")
        if self.others:
            angles = ", ".join(
                f"{name} {_degrees(np.nan_to_num(fit.angles, nan=_ORTHOGONAL).max())}"
                for name, fit in self.others.items()
            )
            words.append(f"Largest angles to the spectra of other methods: {angles}.")
        return " ".join(words)

    @property
    def verdict(self) -> str:
        """One sentence on uniqueness, others on the number and the residual."""
        k, undetermined = self.n_components, np.flatnonzero(~self.determined)
        ambiguous = np.flatnonzero(np.nan_to_num(self.band) > self.tolerance)
        if self.agreement < _AGREEMENT:
            text = (
                f"The number of components is not determined: {self.agreement:.0%} of "
                f"the refits keep {k}."
            )
        elif len(undetermined):
            text = (
                f"Not determined: {_subject(undetermined)} by more than "
                f"{self.tolerance:g} degrees between fits that are equally good."
            )
        elif len(ambiguous):
            band = f"{_subject(ambiguous)} by up to {np.nanmax(self.band):.0f} degrees"
            text = f"All {k} components are the same in every fit, but "
            if self.shared_background:
                text += (
                    "no pixel is nearly free of all but one: unless all components "
                    f"contain the same background, {band} without a worse fit."
                )
            else:
                text += (
                    "the choice is made by the model, not by the data: "
                    f"{band} where only the fit and non-negativity count."
                )
        elif self.residual.white:
            text = f"All {k} components are determined by the data."
        else:
            text = f"All {k} components are the same in every fit."
        if self.n_above_noise is not None and self.n_above_noise > k:
            text += f" {self.n_above_noise} components rise above the noise, not {k}."
        return text if self.residual.white else f"{text} {self.residual.verdict}"

    def table(self) -> Table:
        """Format the figures of every component.

        Returns
        -------
        list of list of str
            A heading and one row for each component.
        """
        rows = [["component", "energy", "starts", "resamples", "free band", ""]]
        columns = zip(
            self.energy,
            self.start_angles,
            self.resample_angles,
            self.band,
            self.determined,
            strict=True,
        )
        for j, (energy, starts, resamples, band, determined) in enumerate(columns):
            rows.append(
                [f"{j}", f"{energy:.1%}"]
                + [_degrees(value) for value in (starts, resamples, band)]
                + ["" if determined else "not determined"]
            )
        return rows

    @property
    def summary(self) -> str:
        """The verdict."""
        return self.verdict

    def _details(self) -> Iterator[str | Table]:
        yield self.table()
        yield self.ties
        if self.comparison:
            yield self.comparison
        yield str(self.residual)


def _subject(numbers: np.ndarray) -> str:
    names = ", ".join(map(str, numbers))
    if len(numbers) == 1:
        return f"component {names} moves"
    return f"components {names} move"


def _degrees(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.1f}°"

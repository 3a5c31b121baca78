"""The answer to how far an unmixing is determined: a verdict, a table, numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsedecomp.decomposition.identifiability.residual_analysis import (
    ResidualAnalysis,
)
from sparsedecomp.metrics import match_components, spectral_angle


@dataclass(frozen=True)
class Refit:
    """One more fit of the same model, to the same or to other pixels.

    Attributes
    ----------
    n_components : int
    angles : (k,) array
        Degrees between each component of the reference and the one of this fit that
        belongs to it; NaN where there is none.
    spectra : (k, n_channels) array
        Those that belong to the components, of unit norm; NaN where there is none.
    excess : float
        Nats by which the fit is worse than the best one to the same pixels.
    """

    n_components: int
    angles: np.ndarray
    spectra: np.ndarray
    excess: float = 0.0

    @classmethod
    def of(cls, components, model, excess=0.0):
        """Match a fitted estimator with the components of the reference.

        Parameters
        ----------
        components : (k, n_channels) array
        model : estimator
        excess : float, default 0

        Returns
        -------
        Refit
        """
        angles = np.full(len(components), np.nan)
        spectra = np.full(components.shape, np.nan)
        ours, theirs, found = match_components(components, model.components_)
        angles[ours] = found
        chosen = model.components_[theirs]
        spectra[ours] = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
        return cls(model.n_components_, angles, spectra, float(excess))


@dataclass(frozen=True)
class UnmixingReport:
    """What can be said for and against an unmixing.

    Attributes
    ----------
    components : (k, n_channels) array
        The spectra that the report is about.
    energy : (k,) array
        Share of each component in the model.
    starts, resamples : list of Refit
        Fits from other starts, and to pixels drawn with replacement.
    tie : float
        Nats of `Refit.excess` up to which a fit is as good as the best.
    inner, outer : (k, n_channels) arrays
        The purest pixels, and the most contrasted spectra whose mixtures stay
        non-negative, matched to the components; NaN where there is none.
    shared_background : bool
        The components are nearly everywhere: if that is a background that they share,
        the outer body is too large to mean anything.
    left : ResidualAnalysis
        What the model leaves of the data.
    n_sampled : int
        Pixels that were fitted again.
    tolerance : float
        Degrees up to which two spectra are the same answer.
    channels : (n_channels,) array
        Positions of the channels, for pictures.
    channel_label : str
        What these positions are.
    navigation_shape : tuple of int
    rows : (n_pixels,) int array
        Flat index of every pixel that is not masked.
    """

    components: np.ndarray
    energy: np.ndarray
    starts: list
    resamples: list
    tie: float
    inner: np.ndarray
    outer: np.ndarray
    shared_background: bool
    left: ResidualAnalysis
    n_sampled: int
    tolerance: float
    channels: np.ndarray
    channel_label: str
    navigation_shape: tuple
    rows: np.ndarray

    @property
    def n_components(self):
        """Number of components that the report is about."""
        return len(self.components)

    @property
    def start_angles(self):
        """(k,) array: how far fits as good as the best are from each component."""
        good = [fit.angles for fit in self.starts if fit.excess <= self.tie]
        return _largest(good, self.n_components)

    @property
    def resample_angles(self):
        """(k,) array: what nine in ten resamples stay below."""
        angles = np.array([fit.angles for fit in self.resamples])
        if not len(angles):
            return np.full(self.n_components, np.nan)
        # A component that a resample lacks has moved out of sight.
        return np.quantile(np.nan_to_num(angles, nan=90.0), 0.9, axis=0)

    @property
    def band(self):
        """(k,) array: degrees from the inner to the outer body."""
        return spectral_angle(self.inner, self.outer)

    @property
    def agreement(self):
        """Part of all refits that keep as many components."""
        fits = [*self.starts, *self.resamples]
        same = [fit.n_components == self.n_components for fit in fits]
        return float(np.mean(same)) if fits else 1.0

    @property
    def determined(self):
        """(k,) bool array: refits stay within the tolerance of the component."""
        moved = np.fmax(self.start_angles, self.resample_angles)
        return np.nan_to_num(moved, nan=0.0) <= self.tolerance

    @property
    def ties(self):
        """One sentence on the objectives of the fits from other starts."""
        if not self.starts:
            return "No other starts were tried."
        good = sum(fit.excess <= self.tie for fit in self.starts)
        worst = max(fit.excess for fit in self.starts)
        return (
            f"{good} of {len(self.starts)} starts end within {self.tie:.3g} nats of "
            f"the best, which noise alone could do; the worst is {worst:.3g} above it."
        )

    @property
    def verdict(self):
        """One sentence, or two where something is left over."""
        k, loose = self.n_components, np.flatnonzero(~self.determined)
        wide = np.flatnonzero(np.nan_to_num(self.band) > self.tolerance)
        if self.agreement < 0.9:
            text = (
                f"The number of components is not determined: {self.agreement:.0%} of "
                f"the refits keep {k}."
            )
        elif len(loose):
            text = (
                f"Not determined: {_named(loose)} by more than {self.tolerance:g} "
                "degrees between fits that are equally good."
            )
        elif len(wide):
            band = f"{_named(wide)} by up to {np.nanmax(self.band):.0f} degrees"
            text = f"All {k} components are the same in every fit, but "
            if self.shared_background:
                text += (
                    "no pixel is nearly free of all but one: unless that is a "
                    f"background that they share, {band} without a worse fit."
                )
            else:
                text += (
                    f"that is the model's choice: {band} where only the fit and "
                    "non-negativity count."
                )
        elif self.left.white:
            text = f"All {k} components are determined by the data."
        else:
            text = f"All {k} components are the same in every fit."
        return text if self.left.white else f"{text} {self.left.verdict}"

    def table(self):
        """Rows of text, one for every component under a heading.

        Returns
        -------
        list of list of str
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

    def __str__(self):
        rows = self.table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
            for row in rows
        ]
        lines = [line.rstrip() for line in lines]
        return "\n".join([self.verdict, "", *lines, "", self.ties, str(self.left)])

    def _repr_html_(self):
        heading, *rows = self.table()

        def cells(tag, row):
            return "".join(f"<{tag}>{cell}</{tag}>" for cell in row)

        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
        return (
            f"<p>{self.verdict}</p><table><tr>{cells('th', heading)}</tr>{body}"
            f"</table><p>{self.ties} {self.left}</p>"
        )


def _largest(angles, k):
    if not angles:
        return np.full(k, np.nan)
    return np.max(np.nan_to_num(angles, nan=90.0), axis=0)


def _named(numbers):
    names = ", ".join(map(str, numbers))
    return (
        f"component {names} moves" if len(numbers) == 1 else f"components {names} move"
    )


def _degrees(value):
    return "-" if np.isnan(value) else f"{value:.1f}°"

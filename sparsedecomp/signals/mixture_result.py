"""Result of a linear combination fit: maps of fractions, errors, model and residual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import BaseSignal

from sparsedecomp.results import Result, Table, drawn_by
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.pixelwise import Array
from sparsedecomp.xas.mixtures.fits import unpacked

if TYPE_CHECKING:
    from sparsedecomp.signals.xas import XASSpectrum
    from sparsedecomp.xas import LinearCombination, RankedSet

LISTED = 10
"""Number of the most probable sets of references that a printed result lists."""


class MixtureResult(Result):
    """Fractions of reference spectra in every pixel.

    Parameters
    ----------
    signal : XASSpectrum
        Spectra that are fitted, as they are fitted: normalised, or their derivative.
    fit : LinearCombination
        The references, the range of energies and the constraints.
    ranking : list of RankedSet, optional
        Sets of references, the most probable first.

    Attributes
    ----------
    names : tuple of str
        Names of the references.
    fit : LinearCombination
        The fit, which can be applied to other spectra on the same energies.
    ranking : list of RankedSet
        Sets of references, the most probable first; empty if none were compared.
    fractions, errors : array of shape (*navigation, n_references)
        Fractions of all references in array order, and their standard deviations;
        dask arrays if the signal is lazy.
    """

    plot = drawn_by("plot_mixture")

    def __init__(
        self,
        signal: XASSpectrum,
        fit: LinearCombination,
        ranking: list[RankedSet] | None = None,
    ) -> None:
        self.names, self.fit = fit.names, fit
        self.ranking = list(ranking or [])
        self._signal = signal
        k = len(fit.names)

        def numbers(mu: np.ndarray) -> np.ndarray:
            found = fit.fit(mu)
            rest = np.stack(found[2:], axis=-1)
            return np.concatenate([found.fractions, found.errors, rest], axis=-1)

        self._packed: Any = pixelwise.spectra_of(
            signal, numbers, 2 * k + 4, dtype=float
        )

    @property
    def fractions(self) -> Array:
        """Fraction of each reference, (*navigation, n_references)."""
        return unpacked(self._packed, len(self.names)).fractions

    @property
    def errors(self) -> Array:
        """Standard deviations of `fractions`."""
        return unpacked(self._packed, len(self.names)).errors

    @property
    def shift(self) -> BaseSignal | float:
        """Energy shift in eV, positive where a pixel lies above the references."""
        return self._map(unpacked(self._packed, len(self.names)).shift)

    @property
    def shift_error(self) -> BaseSignal | float:
        """Standard deviation of `shift`."""
        return self._map(unpacked(self._packed, len(self.names)).shift_error)

    @property
    def r_factor(self) -> BaseSignal | float:
        """Sum of the squared residuals over that of the squared data."""
        return self._map(unpacked(self._packed, len(self.names)).r_factor)

    @property
    def reduced_chi2(self) -> BaseSignal | float:
        """Sum of the squared residuals over the degrees of freedom."""
        return self._map(unpacked(self._packed, len(self.names)).reduced_chi2)

    def fraction(self, name: str) -> BaseSignal | float:
        """Map of the fraction of a reference; a float for a single spectrum.

        Parameters
        ----------
        name : str
            Name of the reference.

        Returns
        -------
        BaseSignal or float
            Fraction; NaN for pixels that hold NaN or no edge.
        """
        return self._map(self.fractions[..., self._place(name)])

    def error(self, name: str) -> BaseSignal | float:
        """Map of the standard deviation of a fraction; see `fraction`.

        Parameters
        ----------
        name : str
            Name of the reference.

        Returns
        -------
        BaseSignal or float
            Standard deviation.
        """
        return self._map(self.errors[..., self._place(name)])

    def model(self) -> XASSpectrum:
        """Spectra of the fit, on the energies that were fitted.

        Returns
        -------
        XASSpectrum
            Sums of the references with the fractions of each pixel.
        """
        fit, k = self.fit, len(self.names)

        def spectra(mu: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
            return fit.model(np.stack(numbers[:k], axis=-1), numbers[k])

        return self._on_fitted_energies(spectra)

    def residual(self) -> XASSpectrum:
        """Spectra minus the model, on the energies that were fitted.

        Returns
        -------
        XASSpectrum
            Residuals of each pixel.
        """
        fit, k = self.fit, len(self.names)

        def spectra(mu: np.ndarray, *numbers: np.ndarray) -> np.ndarray:
            model = fit.model(np.stack(numbers[:k], axis=-1), numbers[k])
            return mu[..., fit.inside] - model

        return self._on_fitted_energies(spectra)

    def compute(self) -> MixtureResult:
        """Compute all maps of a lazy result, in one pass over the data.

        Returns
        -------
        MixtureResult
            The same result, whose maps are in memory now.
        """
        self._packed = np.asarray(self._packed)
        return self

    @property
    def summary(self) -> str:
        """The result in one line."""
        text = ", ".join(self._means())
        n = self._signal.axes_manager.navigation_size
        pixels = f"{n} pixels" if n else "one spectrum"
        return f"Linear combination of {len(self.names)} references in {pixels}: {text}"

    def _details(self) -> Iterator[str | Table]:
        fitted = self.fit.energy[self.fit.inside]
        constraints = [
            "fractions add up to one" if self.fit.sum_to_one else "any sum",
            "none is negative" if self.fit.nonnegative else "any sign",
        ]
        yield (
            f"{len(fitted)} energies from {fitted[0]:g} to {fitted[-1]:g} eV; "
            f"{', '.join(constraints)}; condition number {self.fit.condition:.1f}."
        )
        if self._is_computed:
            numbers = unpacked(self._packed, len(self.names))
            yield f"R factor {np.nanmean(numbers.r_factor):.3g}" + (
                f", shift {np.nanmean(numbers.shift):.3f} eV."
                if self.fit.max_shift
                else "."
            )
        if self.ranking:
            heading = ["references", "probability", "log evidence", "R factor"]
            yield [
                heading,
                *(
                    [
                        " + ".join(
                            f"{fraction:.2f} {name}"
                            for name, fraction in zip(
                                one.names, one.fractions, strict=True
                            )
                        ),
                        f"{one.probability:.3f}",
                        f"{one.log_evidence - self.ranking[0].log_evidence:.1f}",
                        f"{one.r_factor:.3g}",
                    ]
                    for one in self.ranking[:LISTED]
                ),
            ]

    @property
    def _is_computed(self) -> bool:
        return isinstance(self._packed, np.ndarray)

    def _means(self) -> list[str]:
        """Mean fractions with errors; only names where nothing is computed."""
        if not self._is_computed:
            return list(self.names)
        axes = tuple(range(self._packed.ndim - 1))
        with np.errstate(all="ignore"):
            w, errors = (
                np.nanmean(values, axis=axes) if np.isfinite(values).any() else values
                for values in (np.asarray(self.fractions), np.asarray(self.errors))
            )
        return [
            f"{name} {fraction:.3f} ± {error:.3f}"
            for name, fraction, error in zip(
                self.names, np.ravel(w), np.ravel(errors), strict=False
            )
        ]

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(
                f"There is no reference {name!r}; there are: {', '.join(self.names)}."
            )
        return self.names.index(name)

    def _map(self, data: Array) -> BaseSignal | float:
        if self._signal.axes_manager.navigation_dimension == 0:
            return float(data)
        return self._signal._get_navigation_signal(data=data)

    def _on_fitted_energies(self, function) -> XASSpectrum:
        k, inside = len(self.names), self.fit.inside
        numbers = [self._packed[..., index] for index in range(k)]
        numbers.append(unpacked(self._packed, k).shift)
        data = pixelwise.spectra_of(
            self._signal, function, int(inside.sum()), *numbers, dtype=float
        )
        axis = {
            "name": "Energy",
            "units": "eV",
            "axis": self.fit.energy[inside],
            "navigate": False,
        }
        quantity = self._signal.metadata.get_item("Signal.quantity", "Absorption")
        return pixelwise.signal_on(self._signal, data, axis, "XAS", quantity, {})

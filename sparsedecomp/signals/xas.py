"""X-ray absorption spectra mu(E)."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from hyperspy.signals import BaseSignal, LazySignal1D, Signal1D
from numpy.typing import ArrayLike

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.cleaning import Cleaning
from sparsedecomp.signals.merging import Merging
from sparsedecomp.signals.mixtures import Mixtures
from sparsedecomp.signals.pixelwise import Array
from sparsedecomp.signals.reduction import E0, Reduction, typical
from sparsedecomp.signals.scan_flags import ELEMENT, element_and_edge, scan_flags

ABOUT_THE_EDGE = (-60.0, 60.0)
"""Range in eV relative to the tabulated energy in which the edge is searched. It covers
chemical shifts and errors of the calibration, and excludes other edges."""


class XASSpectrum(Reduction, Cleaning, Merging, Mixtures, Signal1D):
    """X-ray absorption mu(E) of one spectrum or of an image.

    The signal axis is the photon energy in eV, with any spacing. Every method returns
    a new signal with the metadata of the sample. Lazy signals are processed block by
    block and stay lazy. Pixels that hold NaN or no edge become NaN.

    ``metadata.Acquisition_instrument.XAS`` describes the measurement, with the names of
    XDI (Element.symbol, Element.edge, Mono, Beamline, Facility), and ``metadata.XAS``
    the processing (e0, pre1 to norm2, rbkg, ...).

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> energy = np.arange(8800.0, 9700.0, 1.0)
    >>> s = hs.signals.Signal1D(np.arctan((energy - 8979) / 2) + 2)
    >>> s.axes_manager[0].offset, s.axes_manager[0].units = 8800.0, "eV"
    >>> s.set_signal_type("XAS")
    >>> s.set_edge("Cu", "K")
    >>> s.find_e0()
    8979.0
    >>> s.autobk()
    <EXAFSSpectrum, title: , dimensions: (|275)>
    """

    _signal_type = "XAS"
    _alias_signal_types = ["XAFS", "XANES", "NEXAFS"]

    @classmethod
    def from_counts(
        cls,
        i0: Signal1D | ArrayLike,
        it: Signal1D | ArrayLike,
        mode: str = "transmission",
        energy: ArrayLike | None = None,
    ) -> XASSpectrum:
        """Compute the absorption from counts.

        Parameters
        ----------
        i0 : hyperspy.api.signals.Signal1D or array_like
            Incoming intensity, of the shape of `it` or one spectrum for all pixels.
        it : hyperspy.api.signals.Signal1D or array_like
            Intensity behind the sample, or of the fluorescence.
        mode : {"transmission", "fluorescence"}, default "transmission"
            Absorption as ln(I0 / It), or as If / I0.
        energy : array_like of shape (n_channels,), optional
            Photon energies in eV; needed if `it` is an array.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            Absorption with the axes and metadata of `it`, lazy if `it` is; NaN where
            nothing was counted.

        Raises
        ------
        ValueError
            If the mode is not known, the shapes do not fit, or nothing was counted at
            all (checked for data in memory only).

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> s
        <XASSpectrum, title: , dimensions: (|900)>
        """
        if not isinstance(it, BaseSignal):
            it = _from_arrays(it, energy)
        incoming = getattr(i0, "_data_aligned_with_axes", i0)
        xas.absorption(1.0, 1.0, mode)
        if it._lazy:
            data = it._data_aligned_with_axes.map_blocks(
                _absorption_of_block,
                _blocks_like(incoming, it._data_aligned_with_axes),
                mode,
                dtype=pixelwise.floating(it.data.dtype),
            )
        else:
            data = xas.absorption(incoming, it._data_aligned_with_axes, mode)
        axis = it.axes_manager._get_signal_axes_dicts()[0]
        return pixelwise.signal_on(it, data, axis, "XAS", "Absorption", {"mode": mode})

    def set_edge(self, element: str, edge: str) -> None:
        """Set the edge that was measured, near which E0 is then searched.

        Parameters
        ----------
        element : str
            Symbol of the absorbing element, such as "Cu".
        edge : str
            Name of the edge: "K", "L1", "L2", "L3", "M5" and so on.

        Raises
        ------
        ValueError
            If there is no such edge, or its energy was not measured.
        """
        tabulated = xas.edge_energy(element, edge)
        energy = self._energy()
        if not energy[0] < tabulated < energy[-1]:
            raise ValueError(
                f"The {element} {edge} edge is at {tabulated:g} eV, outside of the "
                f"energies measured, {energy[0]:g} to {energy[-1]:g} eV."
            )
        self.metadata.set_item(f"{ELEMENT}.symbol", element)
        self.metadata.set_item(f"{ELEMENT}.edge", edge)
        elements = set(self.metadata.get_item("Sample.elements", []))
        self.metadata.set_item("Sample.elements", sorted(elements | {element}))

    def find_e0(
        self, e0: str = "common", search: tuple[float, float] | None = None
    ) -> BaseSignal | float:
        """Find the threshold energy E0, the measured energy of steepest rise.

        Parameters
        ----------
        e0 : {"common", "per_pixel"}, default "common"
            Threshold of the mean of all pixels, or of every pixel.
        search : tuple of two floats, optional
            Range of energies in eV that is searched; by default within 60 eV of the
            edge given by `set_edge`, else the whole scan.

        Returns
        -------
        float or BaseSignal
            Threshold in eV; for "per_pixel" a map, NaN where a pixel has no edge.

        Raises
        ------
        ValueError
            If no edge is found in the mean spectrum.

        See Also
        --------
        sparsedecomp.xas.find_e0
        """
        energy = self._energy()
        search = search or self._search(energy)
        if e0 == "per_pixel":
            return pixelwise.numbers_of(
                self, lambda mu: xas.find_e0(energy, mu, search)
            )
        if e0 != "common":
            raise ValueError(f"e0={e0!r}: choose 'common' or 'per_pixel'.")
        return xas.e0_of(energy, pixelwise.mean_spectrum(self), search)

    def check(self, e0: E0 | None = None) -> list[str]:
        """Look for causes of wrong distances and numbers of atoms in the mean spectrum.

        `autobk`, `normalize` and `edge_step` warn of the same.

        Parameters
        ----------
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV, as in `normalize`.

        Returns
        -------
        list of str
            What was found and what to do: a short pre-edge, a scan that begins above
            the edge, a second edge, an edge of another element, a jump, glitches. Empty
            for a scan without fault.

        Raises
        ------
        ValueError
            If no edge is found.

        See Also
        --------
        sparsedecomp.xas.check_scan

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8960.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(740), np.exp(-mu), energy=energy)
        >>> s.check()[0][:27]
        'The pre-edge is 19 eV long '
        """
        thresholds, _, mean = self._thresholds(e0)
        return scan_flags(self, self._energy(), typical(thresholds), mean=mean)

    def estimate_noise(
        self, limits: tuple[float, float] | None = None
    ) -> BaseSignal | float:
        """Standard deviation of the noise of mu, for every pixel.

        Parameters
        ----------
        limits : tuple of two floats, optional
            Range of energies in eV that is used, by default the whole scan. The edge
            itself should lie outside.

        Returns
        -------
        BaseSignal or float
            Standard deviation in the unit of mu; a float for a single spectrum.

        Raises
        ------
        ValueError
            If the range holds fewer than six energies.

        See Also
        --------
        sparsedecomp.xas.mu_noise

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> s.data += np.random.default_rng(0).normal(0, 0.01, 900)
        >>> round(s.estimate_noise((9100, 9600)), 3)
        0.01
        """
        energy = self._energy()
        xas.mu_noise(energy, np.zeros_like(energy), limits)
        return pixelwise.numbers_of(self, lambda mu: xas.mu_noise(energy, mu, limits))

    def plot(
        self, normalized: bool = False, derivative: bool = False, **kwargs: Any
    ) -> None:
        """Plot mu(E).

        Parameters
        ----------
        normalized : bool, default False
            Plot the normalised and flattened spectra.
        derivative : bool, default False
            Plot the derivative with respect to energy.
        **kwargs
            Keyword arguments of HyperSpy's `plot`.
        """
        if not (normalized or derivative):
            super().plot(**kwargs)
            return
        shown = self.normalize(flatten=True) if normalized else self
        if derivative:
            energy = self._energy()
            data = pixelwise.spectra_of(
                shown, lambda mu: np.gradient(mu, energy, axis=-1), len(energy)
            )
            shown = shown._like(data, {})
            shown.metadata.set_item("Signal.quantity", "Derivative (1/eV)")
        shown.plot(**kwargs)

    def _energy(self) -> np.ndarray:
        energy = pixelwise.axis_values(self, "energy", ("eV",))
        return xas.increasing(energy)

    def _like(self, data: Array, done: dict[str, Any]) -> XASSpectrum:
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        quantity = self.metadata.get_item("Signal.quantity", "Absorption")
        return pixelwise.signal_on(self, data, axis, "XAS", quantity, done)

    def _search(self, energy: np.ndarray) -> tuple[float, float] | None:
        """Range about the edge in the metadata; None if it was not measured."""
        symbol, edge = element_and_edge(self)
        if not symbol or not edge:
            return None
        tabulated = xas.edge_energy(symbol, edge)
        low, high = (tabulated + distance for distance in ABOUT_THE_EDGE)
        return (low, high) if low < energy[-1] and high > energy[0] else None

    def _thresholds(
        self, e0: E0 | None
    ) -> tuple[np.ndarray, dict[str, Any], np.ndarray | None]:
        """Threshold of every pixel, entry for the metadata, mean spectrum if read."""
        mean = None
        if e0 is None:
            e0 = self.metadata.get_item("XAS.e0", "common")
        if isinstance(e0, str) and e0 == "common":
            energy, mean = self._energy(), pixelwise.mean_spectrum(self)
            e0 = xas.e0_of(energy, mean, self._search(energy))
        elif isinstance(e0, str):
            e0 = self.find_e0(e0)
        values = np.asarray(pixelwise.map_of(e0, self, "e0"), dtype=float)
        if not np.isfinite(values).any():
            raise ValueError(
                "No pixel has an absorption edge: give e0 in eV, or check that the "
                "data are mu(E) and not counts."
            )
        common = np.nanmin(values) == np.nanmax(values)
        return values, {"e0": float(np.nanmax(values)) if common else None}, mean


class LazyXASSpectrum(XASSpectrum, LazySignal1D):
    """X-ray absorption mu(E) on data larger than memory."""


def _from_arrays(it: ArrayLike, energy: ArrayLike | None) -> Signal1D:
    if energy is None:
        raise ValueError("Counts in an array need their energies: give energy, in eV.")
    grid, counts = xas.increasing(energy), np.asarray(it)
    axis = {"name": "Energy", "units": "eV", "axis": grid, "navigate": False}
    if counts.ndim == 0 or counts.shape[-1] != len(grid):
        raise ValueError(
            f"The counts have shape {counts.shape} for {len(grid)} energies: the last "
            "axis must be the energy."
        )
    pixels = [{"size": size, "navigate": True} for size in counts.shape[:-1]]
    return Signal1D(counts, axes=[*pixels, axis])


def _blocks_like(incoming: ArrayLike, data: da.Array) -> da.Array:

    i0 = da.asarray(incoming)
    if i0.shape == data.shape[-1:]:
        return i0.reshape((1,) * (data.ndim - 1) + i0.shape).rechunk(
            {-1: data.chunks[-1]}
        )
    if i0.shape != data.shape:
        raise ValueError(
            f"i0 has shape {i0.shape}, which does not fit the counts of shape "
            f"{data.shape}: give one number for each energy, or for each energy of "
            "each pixel."
        )
    return i0.rechunk(data.chunks)


def _absorption_of_block(
    counts: np.ndarray, incoming: np.ndarray, mode: str
) -> np.ndarray:
    try:
        return xas.absorption(incoming, counts, mode)
    except ValueError:
        # A single block may lie in the dark part of an image.
        return np.full(counts.shape, np.nan, dtype=pixelwise.floating(counts.dtype))

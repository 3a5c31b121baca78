"""X-ray absorption spectra mu(E)."""

import numpy as np
from hyperspy.signals import BaseSignal, LazySignal1D, Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.cleaning import Cleaning
from sparsedecomp.signals.reduction import Reduction

ELEMENT = "Acquisition_instrument.XAS.Element"
ABOUT_THE_EDGE = (-60.0, 60.0)
"""Where the edge is looked for, in eV about its tabulated energy."""


class XASSpectrum(Reduction, Cleaning, Signal1D):
    """X-ray absorption mu(E), of one spectrum or of an image.

    The signal axis is the photon energy in eV, with any spacing. Every method returns
    a new signal, keeps the metadata, works on lazy signals block by block and stays
    lazy. Pixels that hold NaN, or no edge, become NaN.

    What was measured is in ``metadata.Acquisition_instrument.XAS`` under the names of
    XDI (Element.symbol, Element.edge, Mono, Beamline, Facility), what was done to it
    in ``metadata.XAS`` (e0, pre1 to norm2, rbkg, ...).

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
    def from_counts(cls, i0, it, mode="transmission", energy=None):
        """Make the absorption from counts.

        Parameters
        ----------
        i0 : hyperspy.api.signals.Signal1D or array_like
            Incoming intensity: for each pixel, or one spectrum for all.
        it : hyperspy.api.signals.Signal1D or array_like
            Intensity behind the sample, or of the fluorescence.
        mode : {"transmission", "fluorescence"}
            ln(I0 / It), or If / I0.
        energy : array_like, optional
            In eV, if `it` is an array.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            With the axes and metadata of `it`; NaN where nothing was counted. Lazy if
            `it` is.

        Raises
        ------
        ValueError
            If the mode is not known, the shapes do not fit, or nothing was counted at
            all (only seen when the data are not lazy).
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
        return pixelwise.signal_on(it, data, axis, "XAS", "Absorption", {})

    def set_edge(self, element, edge):
        """Say which edge was measured.

        Parameters
        ----------
        element : str
            Symbol, as "Cu".
        edge : str
            "K", "L3", ...

        Raises
        ------
        ValueError
            If there is no such edge, or the energies do not hold it.
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

    def find_e0(self, e0="common", search=None):
        """Find the threshold: the measured energy of steepest rise.

        Parameters
        ----------
        e0 : {"common", "per_pixel"}
            Of the mean of all pixels, or of every pixel.
        search : tuple of two floats, optional
            Look between these energies in eV; by default within 60 eV of the edge
            that `set_edge` named, else everywhere.

        Returns
        -------
        float or BaseSignal
            In eV; a map for "per_pixel", NaN where a pixel has no edge.

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

    def estimate_noise(self, limits=None):
        """Standard deviation of the noise of mu, for every pixel.

        Parameters
        ----------
        limits : tuple of two floats, optional
            Use the energies between these, in eV.

        Returns
        -------
        BaseSignal or float
            In the unit of mu.

        Raises
        ------
        ValueError
            If fewer than six energies are used.

        See Also
        --------
        sparsedecomp.xas.mu_noise
        """
        energy = self._energy()
        xas.mu_noise(energy, np.zeros_like(energy), limits)
        return pixelwise.numbers_of(self, lambda mu: xas.mu_noise(energy, mu, limits))

    def plot(self, normalized=False, derivative=False, **kwargs):
        """Plot mu(E).

        Parameters
        ----------
        normalized : bool
            Plot the normalised and flattened spectra.
        derivative : bool
            Plot the derivative with respect to energy.
        **kwargs
            Of HyperSpy's `plot`.
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

    def _energy(self):
        energy = pixelwise.axis_values(self, "energy", ("eV",))
        return xas.increasing(energy)

    def _like(self, data, done):
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        quantity = self.metadata.get_item("Signal.quantity", "Absorption")
        return pixelwise.signal_on(self, data, axis, "XAS", quantity, done)

    def _search(self, energy):
        """About the edge that the metadata name, so far as it was measured."""
        symbol = self.metadata.get_item(f"{ELEMENT}.symbol")
        edge = self.metadata.get_item(f"{ELEMENT}.edge")
        if not symbol or not edge:
            return None
        tabulated = xas.edge_energy(symbol, edge)
        low, high = (tabulated + distance for distance in ABOUT_THE_EDGE)
        return (low, high) if low < energy[-1] and high > energy[0] else None

    def _thresholds(self, e0):
        """Threshold of every pixel, in memory, and what the metadata shall say."""
        if e0 is None:
            e0 = self.metadata.get_item("XAS.e0", "common")
        if isinstance(e0, str):
            e0 = self.find_e0(e0)
        values = np.asarray(pixelwise.map_of(e0, self, "e0"), dtype=float)
        if not np.isfinite(values).any():
            raise ValueError(
                "No pixel has an absorption edge: give e0 in eV, or check that the "
                "data are mu(E) and not counts."
            )
        common = np.nanmin(values) == np.nanmax(values)
        return values, {"e0": float(np.nanmax(values)) if common else None}


class LazyXASSpectrum(XASSpectrum, LazySignal1D):
    """X-ray absorption mu(E) on data larger than memory."""


def _from_arrays(it, energy):
    it = np.asarray(it)
    if energy is None:
        raise ValueError("Counts in an array need their energies: give energy, in eV.")
    energy = xas.increasing(energy)
    axis = {"name": "Energy", "units": "eV", "axis": energy, "navigate": False}
    if it.ndim == 0 or it.shape[-1] != len(energy):
        raise ValueError(
            f"The counts have shape {it.shape} for {len(energy)} energies: the last "
            "axis must be the energy."
        )
    pixels = [{"size": size, "navigate": True} for size in it.shape[:-1]]
    return Signal1D(it, axes=[*pixels, axis])


def _blocks_like(incoming, data):
    import dask.array as da

    incoming = da.asarray(incoming)
    if incoming.shape == data.shape[-1:]:
        return incoming.reshape((1,) * (data.ndim - 1) + incoming.shape).rechunk(
            {-1: data.chunks[-1]}
        )
    if incoming.shape != data.shape:
        raise ValueError(
            f"i0 has shape {incoming.shape}, which does not fit the counts of shape "
            f"{data.shape}: give one number for each energy, or for each energy of "
            "each pixel."
        )
    return incoming.rechunk(data.chunks)


def _absorption_of_block(counts, incoming, mode):
    try:
        return xas.absorption(incoming, counts, mode)
    except ValueError:
        # A block without counts is dark; only the whole cube would be a mistake.
        return np.full(counts.shape, np.nan, dtype=pixelwise.floating(counts.dtype))

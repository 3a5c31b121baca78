"""Reports of restorations: what was chosen, residual, deviation, certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..results import AxisScale, Result, Table, drawn_by
from .map_layout import Layout, blockwise, like
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

    from ..restoration import Deviations
    from ..restoration.denoising import DenoisedMaps


@dataclass(frozen=True, eq=False, repr=False)
class Restoration(Result):
    """Report of how a signal was restored; printed, it is a table.

    Attributes
    ----------
    maps : sparsedecomp.restoration.DenoisedMaps
        Maps of the factors before and after, their spectra, what was chosen.
    nonnegative : bool
        Whether negative values were set to zero.
    swapped : bool
        Whether the maps are the signal axes, as those of a stack of images.
    axes : tuple of AxisScale
        Axes of the maps, x before y.
    source : hyperspy.api.signals.BaseSignal or None
        The signal before; it is not saved with the report.
    """

    maps: DenoisedMaps
    nonnegative: bool
    swapped: bool
    axes: tuple[AxisScale, ...]
    source: BaseSignal | None = None

    @property
    def noise(self) -> str:
        """The noise model in words."""
        return self.maps.noise

    @property
    def n_components(self) -> int:
        """Number of components of which all spectra are mixtures."""
        return self.maps.maps.shape[-1]

    @property
    def residual(self) -> BaseSignal:
        """What was taken from the data: the data less the restored ones, lazy."""
        source = self._measured()
        signal = like(source, source._data_aligned_with_axes - self.values(source))
        signal.metadata.General.title += ", residual"
        return signal

    @property
    def standard_deviation(self) -> BaseSignal:
        """Standard deviation of every restored value, as a lazy signal.

        The restored data are taken as the truth, made noisy and restored again. What
        was smoothed away already in the first restoration is not in it.
        """
        from ..restoration.denoising import deviation_of

        source = self._measured()
        maps = self.maps
        size = maps.maps.shape[-1]
        packed = np.concatenate(
            [
                maps.error_covariance.reshape(*maps.maps.shape[:2], -1),
                maps.row_scale[..., None].astype(np.float32),
            ],
            axis=2,
        )

        def deviation(block: NDArray, spectra: NDArray) -> NDArray:
            covariance = block[..., :-1].reshape(*block.shape[:2], size, size)
            return deviation_of(covariance, spectra, block[..., -1])

        signal = like(
            source, self._shaped(blockwise(packed, maps.spectra, deviation), source)
        )
        signal.metadata.General.title += ", standard deviation"
        return signal

    def certificate(
        self,
        windows: dict[str, tuple[float, float]] | list[str] | None = None,
        size: int = 5,
    ) -> Certificate:
        """Compare restored with measured intensities in regions of the map.

        Parameters
        ----------
        windows : dict of str to (float, float), or list of str, optional
            Energy windows in the units of the signal axis, or names of X-ray lines of
            an EDS signal; default: eight bands of equal intensity. The components are
            compared, too.
        size : int, default 5
            Rows and columns of a region.

        Returns
        -------
        Certificate
            Mean and spread of the deviations, and the regions where they exceed three.

        Raises
        ------
        ValueError
            For single images and spectra, and windows that hold no channel.
        """
        from ..restoration import certify
        from .segmentation import channel_windows

        source = self._measured()
        layout = Layout(source)
        if not layout.channels:
            raise ValueError(
                "A certificate compares intensities of windows of channels, expected a "
                "spectrum image, a line scan or a stack."
            )
        weights = None
        if windows is not None:
            names, inside = channel_windows(source, windows)
            weights = dict(zip(names, inside.T.astype(float), strict=True))
        found = certify(layout.blocks(), self.maps, weights, size)
        return Certificate(found, self.axes)

    def inclusion_test(
        self,
        spectrum: NDArray | None = None,
        *,
        counts: float | None = None,
        methods: Sequence[str] = ("auto", "tv", "nlm", "dictionary", "pca"),
        size: int = 3,
        random_state: int = 0,
    ) -> dict[str, tuple[float, float]]:
        """Measure what an inclusion of 3 x 3 pixels becomes, by adding some.

        The data around the centre of the map, at most 64 x 64 pixels, are restored with
        and without them.

        Parameters
        ----------
        spectrum : (n_channels,) array, optional
            Spectrum of the inclusions; default: a line where the data have least.
        counts : float, optional
            Expected counts in a pixel of an inclusion; default: half of the mean.
        methods : sequence of str
            Names in `sparsedecomp.restoration.METHODS`.
        size : int, default 3
            Rows and columns of an inclusion.
        random_state : int, default 0
            Seed of the places and counts.

        Returns
        -------
        dict of str to (float, float)
            Part of the intensity of an inclusion that is still in its pixels, and its
            standard deviation, for each method.

        Raises
        ------
        ValueError
            For data that are no counts, and single images and spectra.
        """
        from ..restoration import inclusion_recovery

        source = self._measured()
        layout = Layout(source)
        if not layout.channels or not self.maps.counts:
            raise ValueError(
                f"Inclusions are added as counts, but the data have {self.noise} and "
                f"{layout.channels} channels. Simulate them for other data."
            )
        data = layout.maps_first(source._data_aligned_with_axes)
        data = data.reshape(*layout.shape, -1)
        middle = tuple(
            slice(max(0, n // 2 - 32), max(0, n // 2 - 32) + 64) for n in layout.shape
        )
        field = np.asarray(data[middle])
        mean = field.mean(axis=(0, 1), dtype=float)
        if spectrum is None:
            width = max(len(mean) / 100, 1.5)
            smooth = gaussian_filter1d(mean, width)
            place = np.argmin(smooth[len(mean) // 10 : -len(mean) // 10 or None])
            centre = place + len(mean) // 10
            distance = (np.arange(len(mean)) - centre) / width
            spectrum = np.exp(-0.5 * distance**2)
        spectrum = np.asarray(spectrum, float)
        counts = 0.5 * mean.sum() if counts is None else counts
        return inclusion_recovery(
            field,
            spectrum * (counts / spectrum.sum()),
            methods,
            size=size,
            random_state=random_state,
        )

    def _measured(self) -> BaseSignal:
        if self.source is None:
            raise AttributeError(
                "The signal before the restoration is not saved with this report: "
                "subtract the signals, `s - restored`."
            )
        return self.source

    def values(self, source: BaseSignal) -> da.Array:
        """Restored data in the order of the axes of a signal.

        Parameters
        ----------
        source : hyperspy.api.signals.BaseSignal
            The signal that was restored.

        Returns
        -------
        dask array
            The restored data, computed block by block.
        """
        nonnegative = self.nonnegative

        def product(block: NDArray, spectra: NDArray) -> NDArray:
            values = block @ spectra
            return np.maximum(values, 0, out=values) if nonnegative else values

        found = blockwise(self.maps.scaled_maps, self.maps.spectra, product)
        return self._shaped(found, source)

    def _shaped(self, found: da.Array, source: BaseSignal) -> da.Array:
        if self.swapped:
            found = found.transpose(2, 0, 1)
        return found.reshape(source._data_aligned_with_axes.shape)

    def as_dict(self) -> dict[str, Any]:
        """Figures of the report, for metadata.

        Returns
        -------
        dict of str to object
            Numbers, strings and dictionaries.
        """
        choice = self.maps.choice
        return {
            "shares": {k: float(v) for k, v in choice.shares.items()},
            "parameters": {k: _plain(v) for k, v in choice.parameters.items()},
            "held_out_error": {k: float(v) for k, v in choice.errors.items()},
            "n_components": int(self.n_components),
            "n_above_noise": int(self.maps.n_above_noise),
            "noise": self.noise,
            "passes": int(self.maps.passes),
            "seconds": float(self.maps.seconds),
        }

    @property
    def summary(self) -> str:
        """Methods, number of components and noise in one line."""
        return (
            f"{self.maps.choice}; {self.n_components} components, {self.noise}, "
            f"{self.maps.seconds:.2g} s"
        )

    def _details(self) -> Iterator[str | Table]:
        choice = self.maps.choice
        yield [
            ["method", "share", "error held out, above the best", "parameters"],
            *(
                [
                    name,
                    f"{choice.shares.get(name, 0):.2f}" if name != "mixture" else "",
                    f"{error:.3g}",
                    ", ".join(
                        f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                        for k, v in choice.parameters.get(name, {}).items()
                    ),
                ]
                for name, error in choice.errors.items()
            ),
        ]
        yield (
            f"{self.maps.n_above_noise} components rise above the noise in single "
            f"pixels, {self.n_components} improve the prediction of what was held out."
        )

    plot = drawn_by("plot_restoration")

    def _saved(self) -> dict[str, Any]:
        return {**vars(self), "source": None}


@dataclass(frozen=True, eq=False, repr=False)
class Certificate(Result):
    """Restored against measured intensities of regions, by ``restoration.certificate``.

    Attributes
    ----------
    deviations : sparsedecomp.restoration.Deviations
        Measured less restored sums in units of their error.
    axes : tuple of AxisScale
        Axes of the map, x before y.
    """

    deviations: Deviations
    axes: tuple[AxisScale, ...]

    @property
    def flagged(self) -> NDArray:
        """Regions in which structure was smoothed away, (n_rows, n_columns)."""
        return self.deviations.flagged

    @property
    def summary(self) -> str:
        """Number of flagged regions, and mean and spread of the others."""
        found, flagged = self.deviations, self.flagged
        return (
            f"{flagged.sum()} of {flagged.size} regions of {found.size} x {found.size} "
            f"pixels deviate by more than 3 counting errors; in the others the mean is "
            f"{np.mean(found.mean):+.2f}, the spread {np.mean(found.spread):.2f}"
        )

    def _details(self) -> Iterator[str | Table]:
        found = self.deviations
        largest = np.abs(found.regions).max(axis=(0, 1))
        yield [
            ["intensity", "mean", "spread", "largest"],
            *(
                [name, f"{mean:+.2f}", f"{spread:.2f}", f"{most:.1f}"]
                for name, mean, spread, most in zip(
                    found.names, found.mean, found.spread, largest, strict=True
                )
            ),
        ]
        yield (
            "Without a bias the mean is 0 and the spread 1, in units of the error that "
            "counting gives the difference."
        )

    plot = drawn_by("plot_certificate")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if isinstance(v, int | float | str)}

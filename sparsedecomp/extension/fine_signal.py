"""A super-resolved map as a signal, with the report of how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results import Result, Table
from .kept_report import keep_report, report_kept_at
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

    from sparsedecomp.superresolution import Factors, FineMap, Plan, Resolution


# Place of the report in the metadata of a signal.
_PLACE = "Super_resolution"


@dataclass(frozen=True, eq=False, repr=False)
class SuperResolution(Result):
    """Report of how a fine map was made; printed, it is a table.

    Attributes
    ----------
    fine : sparsedecomp.superresolution.FineMap
        Maps of the factors, shifts in pixels of the frames, scores.
    factors : sparsedecomp.superresolution.Factors
        Maps and spectra of the factors of the frames.
    plan : sparsedecomp.superresolution.Plan
        What the shifts determine, in units of the step of the frames.
    frame : hyperspy.api.signals.BaseSignal
        The first frame, in whose axes and units the report is. A file of the report
        holds its first pixel alone.
    steps : (float, float)
        Steps of rows and columns of the frames in the units of the axes.
    """

    fine: FineMap
    factors: Factors
    plan: Plan
    frame: BaseSignal
    steps: tuple[float, float]

    @property
    def gain(self) -> float:
        """Gain in dB over interpolation in the prediction of samples held out."""
        scores = self.fine.scores
        own, other = scores[self.fine.method], scores["interpolation"]
        if not own > 0:
            # Frames without noise that repeat each other are predicted exactly.
            return np.inf if other > 0 else 0.0
        return float(20 * np.log10(other / own))

    @property
    def shifts(self) -> NDArray:
        """Shifts that were used, (n_frames, 2): x and y in the units of the axes.

        Those of frames that were left out are the nominal ones.
        """
        registration = self.fine.registration
        used = (
            self.fine.geometry.shifts if registration is None else registration.shifts
        )
        return (used * self.steps)[:, ::-1]

    @property
    def kept(self) -> NDArray:
        """False for frames that were left out, (n_frames,)."""
        if self.fine.registration is None:
            return np.ones(len(self.shifts), bool)
        return self.fine.registration.kept

    @property
    def drift(self) -> NDArray:
        """Correction of the nominal offsets, x and y; zero where it was refused."""
        registration = self.fine.registration
        if registration is None:
            return np.zeros_like(self.shifts)
        return ((registration.shifts - registration.nominal) * self.steps)[:, ::-1]

    @property
    def drift_deviation(self) -> NDArray:
        """Standard deviation of the drift; NaN where shifts were not refined.

        The drift of every frame is that less the mean over all frames.
        """
        registration = self.fine.registration
        if registration is None:
            return np.full_like(self.shifts, np.nan)
        return (registration.deviation * np.abs(self.steps))[:, ::-1]

    @cached_property
    def resolution(self) -> tuple[Resolution, Resolution]:
        """Resolution of the first frame and of the map, by decorrelation analysis.

        It is measured on the strongest factor. Decorrelation needs one map only;
        ``s.estimate_resolution`` has other measures, with error bars.
        """
        from ..superresolution import Resolution, decorrelation_resolution

        frame = self.factors.maps[0]
        best = int(np.argmax(self.factors.maps.var(axis=(0, 1, 2))))
        units = self.frame.axes_manager.navigation_axes[0].units

        def measured(maps: NDArray, scale: float) -> Resolution:
            rows, columns = np.abs(self.steps) / scale
            try:
                found = decorrelation_resolution(maps[..., best], (rows, columns))
            except ValueError as error:
                found = Resolution("decorrelation", np.nan, note=str(error))
            return found.in_units(units)

        fine = self.fine
        return measured(frame, 1.0), measured(fine.maps, fine.geometry.scale)

    @property
    def standard_deviation(self) -> BaseSignal:
        """Standard deviation of every pixel and channel, as a lazy signal.

        It is that of a Gaussian process, whichever method made the map, for the
        specimen as the spot sees it, without the noise of a measurement.
        """
        variance = _product(np.square(self.fine.deviation), self.factors.spectra**2)
        signal = _signal(self.frame, self, np.sqrt(variance), lazy=True)
        signal.metadata.General.title += ", standard deviation"
        return signal

    def as_dict(self) -> dict[str, Any]:
        """Figures of the report, for metadata.

        Returns
        -------
        dict of str to object
            Numbers, strings and lists.
        """
        registration = self.fine.registration
        report = {
            "method": self.fine.method,
            "scale": float(self.fine.geometry.scale),
            "n_frames": int(self.fine.geometry.n_frames),
            "n_factors": int(self.fine.maps.shape[-1]),
            "passes": int(self.factors.passes),
            "rank": int(self.plan.rank),
            "n_frequencies": int(self.plan.n_unknowns),
            "shifts": self.shifts.tolist(),
            "drift": self.drift.tolist(),
            "drift_deviation": self.drift_deviation.tolist(),
            "registration": registration.reason if registration else "not asked for",
            "misfit": registration.misfit.tolist() if registration else [],
            "left_out": np.flatnonzero(~self.kept).tolist(),
            "gain": registration.intensities.gain.tolist() if registration else [],
            "rotation_degrees": (
                np.rad2deg(registration.maps[:, 0]).tolist() if registration else []
            ),
            "held_out_error": {k: float(v) for k, v in self.fine.scores.items()},
            "gain_over_interpolation_dB": float(self.gain),
            "resolution": [each.describe() for each in self.resolution],
            "clipped": float(self.fine.clipped),
            "fallback": self.fine.fallback or "none",
            "seconds": float(self.fine.seconds),
        }
        used = {**self.fine.parameters, "share": self.fine.share}
        numbers = {k: v for k, v in used.items() if isinstance(v, int | float)}
        return report | {name: float(value) for name, value in numbers.items()}

    @property
    def summary(self) -> str:
        """Frames, size of the map and method in one line."""
        rows, columns = self.fine.geometry.shape
        used = np.count_nonzero(self.kept)
        return (
            f"{used} frames to a map of {columns} x {rows} pixels by "
            f"{self.fine.method}, {self.gain:+.2f} dB over interpolation"
        )

    def _details(self) -> Iterator[str | Table]:
        about = self.as_dict()
        units = self.frame.axes_manager.navigation_axes[0].units
        units = f" ({units})" if isinstance(units, str) and units else ""
        errors = about["held_out_error"].items()
        yield [
            ["method", "error of samples held out, in units of the noise"],
            *([method, f"{error:.3f}"] for method, error in errors),
        ]
        yield f"{about['n_factors']} factors. Registration: {about['registration']}"
        misfit = np.full(len(self.shifts), np.nan)
        if self.fine.registration is not None:
            misfit = self.fine.registration.misfit
        columns = (*self.shifts.T, *self.drift.T, *self.drift_deviation.T, misfit)
        yield [
            [
                f"frame{units}",
                *("x", "y", "drift x", "drift y", "± x", "± y", "misfit"),
            ],
            *(
                [
                    f"{k}" if self.kept[k] else f"{k}, left out",
                    *("-" if np.isnan(value) else f"{value:.3g}" for value in values),
                ]
                for k, values in enumerate(zip(*columns, strict=True))
            ),
        ]
        yield "Resolution by decorrelation: {} in a frame, {} in the map".format(
            *about["resolution"]
        )
        yield self.plan.describe_missing()
        yield f"Fallback: {about['fallback']}"
        if self.fine.clipped:
            yield (
                f"Negative values of {about['clipped']:.2g} of the noise were put to "
                "zero (root mean square)."
            )

    def _saved(self) -> dict[str, Any]:
        pixel = self.frame.inav[:1, :1]
        if pixel._lazy:
            pixel.compute(show_progressbar=False)
        return {**vars(self), "frame": pixel}


def fine_signal(frame: BaseSignal, report: SuperResolution, lazy: bool) -> BaseSignal:
    """The fine map as a signal of the class and calibration of a frame.

    Parameters
    ----------
    frame : hyperspy.api.signals.BaseSignal
        A frame.
    report : SuperResolution
        The fine map and how it was made.
    lazy : bool
        Whether the signal is lazy.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The report is its attribute ``super_resolution``, also after save and load: its
        figures are kept in ``metadata``, all of it in ``original_metadata``.
    """
    data = _product(report.fine.maps, report.factors.spectra)
    signal = _signal(frame, report, data if lazy else data.compute(), lazy)
    keep_report(signal, _PLACE, report)
    return signal


super_resolution = report_kept_at(_PLACE, SuperResolution, "sparsedecomp.super_resolve")


def _product(maps: NDArray, spectra: NDArray) -> da.Array:
    """``maps @ spectra`` as a dask array that is computed block by block."""
    import dask.array as da

    maps = np.ascontiguousarray(maps, np.float32)
    spectra = spectra.astype(np.float32)
    rows = max(1, int(4e6 / (maps.shape[1] * spectra.shape[1])))
    blocks = da.from_array(maps, chunks=(rows, -1, -1))
    return blocks.map_blocks(
        np.matmul,
        spectra,
        dtype=np.float32,
        chunks=(*blocks.chunks[:2], (spectra.shape[1],)),
    )


def _signal(
    frame: BaseSignal, report: SuperResolution, data: NDArray | da.Array, lazy: bool
) -> BaseSignal:
    """Data on the fine grid as a signal of the class and calibration of a frame."""
    from .components import _eager_class

    axes = frame.axes_manager
    geometry = report.fine.geometry
    described = []
    for i, axis in enumerate(axes.navigation_axes[::-1]):
        described.append(
            {
                "name": axis.name,
                "units": axis.units,
                "navigate": True,
                "size": geometry.shape[i],
                "scale": axis.scale / geometry.scale,
                "offset": axis.offset + geometry.origin[i] * axis.scale,
            }
        )
    if axes.signal_dimension:
        described += [dict(a) for a in axes._get_signal_axes_dicts()]
    else:
        data = data[..., 0]
    metadata = frame.metadata.deepcopy()
    for path in ("Signal.Noise_properties", "Markers", "_HyperSpy", "Ground_truth"):
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    title = metadata.get_item("General.title", "")
    metadata.set_item("General.title", f"{title}, super-resolved".lstrip(", "))
    if not lazy:
        data = np.asarray(data)
    signal = _eager_class(frame)(
        data, axes=described, metadata=metadata.as_dictionary()
    )
    if not axes.signal_dimension:
        signal = signal.transpose(signal_axes=2)
    return signal.as_lazy() if lazy else signal

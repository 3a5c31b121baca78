"""A super-resolved map as a signal, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class SuperResolution:
    """How a map was resolved: a table when printed.

    Attributes
    ----------
    fine : sparsedecomp.superresolution.FineMap
        Maps of the factors, shifts in pixels of the frames, scores.
    factors : sparsedecomp.superresolution.Factors
        Their spectra.
    plan : sparsedecomp.superresolution.Plan
        What the shifts determine, in units of the step of the frames.
    frame : hyperspy.api.signals.BaseSignal
        The first one, whose axes are meant.
    steps : (float, float)
        Of rows and columns in the units of the axes.
    """

    fine: object
    factors: object
    plan: object
    frame: object
    steps: tuple

    @property
    def gain(self):
        """Decibels by which samples held out are predicted better than interpolated."""
        scores = self.fine.scores
        return 20 * np.log10(scores["interpolation"] / scores[self.fine.method])

    @property
    def shifts(self):
        """Shifts that were used, (n_frames, 2): x and y in the units of the axes."""
        return (self.fine.geometry.shifts * self.steps)[:, ::-1]

    @property
    def drift(self):
        """What the data add to the nominal offsets, x and y; zeros where refused."""
        found = self.fine.registration
        if found is None:
            return np.zeros_like(self.shifts)
        return ((found.shifts - found.nominal) * self.steps)[:, ::-1]

    @property
    def drift_deviation(self):
        """Standard deviation of the drift; NaN where shifts were not refined."""
        found = self.fine.registration
        if found is None:
            return np.full_like(self.shifts, np.nan)
        return (found.deviation * np.abs(self.steps))[:, ::-1]

    @cached_property
    def resolution(self):
        """Resolution of the first frame and of the map, by decorrelation analysis.

        Of the strongest factor. It is the measure that one coarse frame and one fine
        map allow; ``s.estimate_resolution`` has others, with error bars.
        """
        from ..superresolution import Resolution, decorrelation_resolution

        frame = self.factors.maps[0]
        best = int(np.argmax(self.factors.maps.var(axis=(0, 1, 2))))
        units = self.frame.axes_manager.navigation_axes[0].units
        found = []
        for maps, scale in ((frame, 1.0), (self.fine.maps, self.fine.geometry.scale)):
            try:
                one = decorrelation_resolution(
                    maps[..., best], np.abs(self.steps) / scale
                )
            except ValueError as error:
                one = Resolution("decorrelation", np.nan, note=str(error))
            found.append(one.in_units(units))
        return tuple(found)

    @property
    def standard_deviation(self):
        """Standard deviation of every pixel and channel, as a lazy signal.

        By a Gaussian process, whichever method made the map; of the specimen as the
        spot sees it, without the noise of a measurement.
        """
        variance = _product(np.square(self.fine.deviation), self.factors.spectra**2)
        signal = _signal(self.frame, self, np.sqrt(variance), lazy=True)
        signal.metadata.General.title += ", standard deviation"
        return signal

    def as_dict(self):
        """The figures of the report, for metadata."""
        found = self.fine.registration
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
            "registration": found.reason if found else "not asked for",
            "misfit": found.misfit.tolist() if found else [],
            "held_out_error": {k: float(v) for k, v in self.fine.scores.items()},
            "gain_over_interpolation_dB": float(self.gain),
            "resolution": [each.describe() for each in self.resolution],
            "clipped": float(self.fine.clipped),
            "fallback": self.fine.fallback or "none",
            "seconds": float(self.fine.seconds),
        }
        used = {**self.fine.parameters, "share": self.fine.share}
        return report | {k: float(v) for k, v in used.items() if np.isscalar(v)}

    def __repr__(self):
        about = self.as_dict()
        units = self.frame.axes_manager.navigation_axes[0].units
        lines = [
            f"{about['n_frames']} frames to a map of {self.fine.geometry.shape[1]} x "
            f"{self.fine.geometry.shape[0]} pixels, {about['n_factors']} factors, by "
            f"{about['method']}",
            "Samples held out, error in units of the noise "
            f"({self.gain:+.2f} dB over interpolation):",
            *(f"  {k:<18s}{v:8.3f}" for k, v in about["held_out_error"].items()),
            f"Registration: {about['registration']}",
            f"  {'frame':<6s}{'x':>10s}{'y':>10s}{'drift x':>10s}{'drift y':>10s}"
            f"{'+- x':>9s}{'+- y':>9s}{'misfit':>9s}  ({units})",
        ]
        found = self.fine.registration
        misfit = np.full(len(self.shifts), np.nan) if found is None else found.misfit
        rows = zip(self.shifts, self.drift, self.drift_deviation, misfit, strict=True)
        for k, (shift, drift, deviation, ratio) in enumerate(rows):
            figures = "".join(f"{v:10.4g}" for v in (*shift, *drift))
            figures += "".join(f"{v:9.2g}" for v in (*deviation, ratio))
            lines.append(f"  {k:<6d}{figures}")
        lines += [
            "Resolution by decorrelation: {} in a frame, {} in the map".format(
                *about["resolution"]
            ),
            self.plan.describe_missing(),
            f"Fallback: {about['fallback']}",
        ]
        if self.fine.clipped:
            lines.append(
                f"Negative values of {about['clipped']:.2g} of the noise were put to "
                "zero (root mean square)."
            )
        return "\n".join(lines)


def fine_signal(frame, found, lazy):
    """The fine map as a signal of the class and calibration of a frame.

    Parameters
    ----------
    frame : hyperspy.api.signals.BaseSignal
    found : SuperResolution
    lazy : bool
    """
    fine, spectra = found.fine, found.factors.spectra
    data = _product(fine.maps, spectra)
    signal = _signal(frame, found, data if lazy else data.compute(), lazy)
    signal.metadata.set_item("Super_resolution", found.as_dict())
    signal.super_resolution = found
    return signal


def _product(maps, spectra):
    """``maps @ spectra`` as a dask array that is made block by block."""
    import dask.array as da

    maps = np.ascontiguousarray(maps, np.float32)
    spectra = spectra.astype(np.float32)
    rows = max(1, int(4e6 / (maps.shape[1] * spectra.shape[1])))
    maps = da.from_array(maps, chunks=(rows, -1, -1))
    return maps.map_blocks(
        np.matmul,
        spectra,
        dtype=np.float32,
        chunks=(*maps.chunks[:2], (spectra.shape[1],)),
    )


def _signal(frame, found, data, lazy):
    from .components import _eager_class

    axes = frame.axes_manager
    geometry = found.fine.geometry
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

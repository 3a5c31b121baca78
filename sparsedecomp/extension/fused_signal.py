"""A fused cube as a signal, with the report of how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results import AxisScale, Result, Table, drawn_by
from .kept_report import keep_report, report_kept_at
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

    from sparsedecomp.fusion import Fused

# Place of the report in the metadata of a signal.
_PLACE = "Fusion"
# Values of a block of a lazy cube.
_BLOCK = 4e6


@dataclass(frozen=True, eq=False, repr=False)
class Fusion(Result):
    """Report of how a sharp cube was made; printed, it is the verdict and a table.

    Attributes
    ----------
    fused : sparsedecomp.fusion.Fused
        Coefficients, their variance, degradation and verdict.
    axes : list of AxisScale
        Axes of columns and rows of the sharp cube.
    pixel : hyperspy.api.signals.BaseSignal
        The first pixel of the coarse cube, in whose units the report is.
    """

    fused: Fused
    axes: list[AxisScale]
    pixel: BaseSignal

    plot = drawn_by("plot_fusion")

    @property
    def verdict(self) -> str:
        """Whether the guide was accepted, why, and by how much it helped."""
        return self.fused.verdict.describe()

    @property
    def outcome(self) -> str:
        """One of "accepted", "accepted in part" and "rejected"."""
        return self.fused.verdict.outcome

    @property
    def standard_deviation(self) -> BaseSignal:
        """Standard deviation of every pixel and channel, as a lazy signal.

        It is that of the specimen's spectra, without the noise of a measurement.
        """
        fused = self.fused
        fused.check_variance()
        squares = np.square(fused.subspace.spectra)
        variance = _product(fused.variance, squares, fused.subspace.lost)
        signal = _signal(self, np.sqrt(variance), lazy=True)
        signal.metadata.General.title += ", standard deviation"
        return signal

    def as_dict(self) -> dict[str, Any]:
        """Figures of the report, for metadata.

        Returns
        -------
        dict of str to object
            Numbers, strings and lists.
        """
        fused, verdict = self.fused, self.fused.verdict
        acceptance = verdict.acceptance
        report: dict[str, Any] = {
            "method": fused.method,
            "outcome": verdict.outcome,
            "verdict": verdict.describe(),
            "step": [float(step) for step in fused.degradation.grids.step],
            "n_coefficients": int(fused.subspace.n_coefficients),
            "noise": fused.subspace.noise.kind,
            "point_spread": fused.degradation.psf.describe(),
            "held_out_error": {k: float(v) for k, v in verdict.held_out.items()},
            "gain_dB": verdict.gains,
            "sign": verdict.sign,
            "seconds": float(fused.seconds),
        }
        if acceptance is not None:
            report |= {
                "unexplained": acceptance.unexplained,
                "unexplained_placebo": acceptance.placebo,
                "shift": [int(s) for s in acceptance.shift[::-1]],
            }
        if fused.untrusted is not None:
            report["untrusted"] = float(fused.untrusted.mean())
        return report

    @property
    def summary(self) -> str:
        """Grids, method and outcome in one line."""
        grids = self.fused.degradation.grids
        return (
            f"{grids.coarse[1]} x {grids.coarse[0]} to {grids.fine[1]} x "
            f"{grids.fine[0]} pixels by {self.fused.method}, guide "
            f"{self.fused.verdict.outcome}"
        )

    def _details(self) -> Iterator[str | Table]:
        fused, verdict = self.fused, self.fused.verdict
        yield verdict.describe()
        if verdict.held_out:
            errors = verdict.held_out.items()
            yield [
                ["method", "error of pixels left out, in units of the noise"],
                *([method, f"{error:.3f}"] for method, error in errors),
            ]
        yield (
            f"{fused.subspace.n_coefficients} coefficients; the noise is "
            f"{fused.subspace.noise.kind}."
        )
        source = "given" if fused.estimate is None else "estimated"
        text = f"Point spread ({source}): {fused.degradation.psf.describe()}."
        if fused.estimate is not None:
            low, high = fused.estimate.width_range
            if high > low:
                text += f" Widths from {low:.2f} to {high:.2f} px explain it as well."
        yield text


def fused_signal(cube: BaseSignal, report: Fusion, lazy: bool) -> BaseSignal:
    """The sharp cube as a signal of the class of the coarse one.

    Parameters
    ----------
    cube : hyperspy.api.signals.BaseSignal
        Coarse cube, whose metadata are taken over.
    report : Fusion
        The sharp cube and how it was made.
    lazy : bool
        Whether the signal is lazy.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The report is its attribute ``fusion``, also after save and load: its figures
        are kept in ``metadata``, all of it in ``original_metadata``.
    """
    fused = report.fused
    data = _product(fused.maps, fused.subspace.spectra, fused.subspace.mean)
    signal = _signal(report, data if lazy else data.compute(), lazy, cube)
    keep_report(signal, _PLACE, report)
    return signal


fusion = report_kept_at(_PLACE, Fusion, "s.fuse(guide)")


def _product(maps: NDArray, spectra: NDArray, constant: NDArray) -> da.Array:
    """``maps @ spectra + constant`` as a dask array that is computed block by block."""
    import dask.array as da

    spectra, constant = spectra.astype(np.float32), constant.astype(np.float32)
    rows = max(1, int(_BLOCK / (maps.shape[1] * spectra.shape[1])))
    blocks = da.from_array(np.ascontiguousarray(maps), chunks=(rows, -1, -1))
    return blocks.map_blocks(
        lambda block: block @ spectra + constant,
        dtype=np.float32,
        chunks=(*blocks.chunks[:2], (spectra.shape[1],)),
    )


def _signal(
    report: Fusion,
    data: NDArray | da.Array,
    lazy: bool,
    cube: BaseSignal | None = None,
) -> BaseSignal:
    """Data on the fine grid as a signal of the class and energies of the cube."""
    from .components import _eager_class

    cube = report.pixel if cube is None else cube
    described = [
        {
            "name": axis.name,
            "units": axis.units or None,
            "navigate": True,
            "size": axis.size,
            "scale": axis.scale,
            "offset": float(axis.axis[0]),
        }
        for axis in report.axes[::-1]
    ]
    described += [dict(a) for a in cube.axes_manager._get_signal_axes_dicts()]
    metadata = cube.metadata.deepcopy()
    for path in ("Signal.Noise_properties", "Markers", "_HyperSpy", "Ground_truth"):
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    title = metadata.get_item("General.title", "")
    metadata.set_item("General.title", f"{title}, fused".lstrip(", "))
    signal = _eager_class(cube)(data, axes=described, metadata=metadata.as_dictionary())
    return signal.as_lazy() if lazy else signal

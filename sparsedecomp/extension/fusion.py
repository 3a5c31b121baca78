"""`s.fuse`: a sharp cube of a coarse one and a sharp image of the same field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..progress import with_progress_bar
from ..results import AxisScale
from ..suggestions import check_choice
from .arguments import check_is_signal
from .fused_signal import Fusion, fused_signal
from .fusion_grids import FIELDS, common_field, guide_bands, map_axes
from .types import BaseSignal

if TYPE_CHECKING:
    from ..fusion import PointSpread

_CONVERSION = "s.change_dtype('float32')"


@with_progress_bar
def fuse(
    self: BaseSignal,
    guide: BaseSignal,
    *,
    method: str = "auto",
    psf: PointSpread | None = None,
    field: str = "axes",
    n_components: int | None = None,
    noise: str = "auto",
    registration: bool = True,
    lazy: bool | None = None,
    random_state: int = 0,
    **parameters: Any,
) -> BaseSignal:
    """Sharpen a map of spectra by an image of the same field with smaller pixels.

    The spectra are written as mixtures of the few that rise above the noise, and their
    coefficients are predicted on the grid of the guide by Gaussian processes whose
    covariance knows the guide. The point spread is estimated. Whether the guide is used
    is decided without a truth: it must be predicted by the cube far better than the
    same image at wrong places, and must predict pixels of the cube that are left out
    better than their neighbours do.

    Parameters
    ----------
    guide : hyperspy.api.signals.BaseSignal
        Sharp image (``Signal2D``), a stack of such, or a map with a few channels, whose
        scales and offsets say where its pixels lie.
    method : str, default "auto"
        One of `sparsedecomp.fusion.METHODS`, which when printed describes each of them.
    psf : sparsedecomp.fusion.PointSpread, optional
        Point spread of the cube in pixels of the guide; default: estimated.
    field : {"axes", "same"}, default "axes"
        "same" where the axes are not calibrated and both show one field, edge to edge.
    n_components : int, optional
        Number of coefficients of a pixel; default: those above the noise, at most 16.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model of the cube; see `sparsedecomp.noise.find_noise`.
    registration : bool, default True
        Look for a shift of the guide by up to eight of its pixels.
    lazy : bool, optional
        Return a lazy signal whose spectra are made when they are computed; default: as
        the cube is.
    random_state : int, default 0
        Seed of the compression of the cube.
    **parameters : object
        Parameters of the method.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Sharp map of the class of the cube. Its attribute ``fusion`` holds the verdict
        about the guide, the standard deviation and the point spread, and is saved with
        it; the figures of the report are in ``metadata.Fusion``.

    Raises
    ------
    ValueError
        For a guide that is not finer than the cube or shows another field by its axes,
        units that differ, NaN, constant or saturated guides, negative counts, and
        unknown methods or parameters.
    TypeError
        For a guide that is no signal, and data that are not real numbers.

    Warns
    -----
    UserWarning
        Where the guide covers part of the cube, may be saturated, or has no calibrated
        axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> y, x = np.mgrid[:32, :32] / 4
    >>> image = 2 + np.sin(x * y / 2) + np.cos(y)
    >>> coarse = image.reshape(8, 4, 8, 4).mean(axis=(1, 3))[..., None] * np.ones(20)
    >>> coarse += 0.01 * np.random.default_rng(0).normal(size=coarse.shape)
    >>> s, guide = hs.signals.Signal1D(coarse), hs.signals.Signal2D(image)
    >>> for axis in guide.axes_manager.signal_axes:
    ...     axis.scale, axis.offset = 0.25, -0.375
    >>> sharp = s.fuse(guide)
    >>> sharp.axes_manager.navigation_shape, sharp.fusion.outcome
    ((32, 32), 'accepted')
    """
    from ..fusion.fused import fuse as fuse_arrays
    from ..fusion.methods import METHODS

    METHODS.complete(method, parameters)
    check_choice("field", field, FIELDS)
    for signal, kind in ((self, "cube"), (guide, "guide")):
        check_is_signal(signal, "fuse")
        if signal.data.dtype.kind not in "fiu":
            raise TypeError(
                f"The {kind} has the dtype {signal.data.dtype}, expected real numbers. "
                f"Convert it, for instance with {_CONVERSION}."
            )
    axes = self.axes_manager
    if axes.navigation_dimension != 2 or axes.signal_dimension != 1:
        raise ValueError(
            f"{self} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected a map of spectra: two and "
            "one."
        )
    common = common_field(self, guide, field)
    data = self._data_aligned_with_axes[common.coarse]
    fused = fuse_arrays(
        data,
        guide_bands(guide)[common.fine],
        common.grids,
        method=method,
        psf=psf,
        n_components=n_components,
        noise=noise,
        registration=registration,
        random_state=random_state,
        **parameters,
    )
    pixel = self.inav[:1, :1]
    if pixel._lazy:
        pixel.compute(show_progressbar=False)
    report = Fusion(fused, _fine_axes(self, guide, common, field), pixel)
    return fused_signal(self, report, self._lazy if lazy is None else lazy)


def _fine_axes(
    cube: BaseSignal, guide: BaseSignal, common: Any, field: str
) -> list[AxisScale]:
    """Axes of columns and rows of the result, named as those of the cube."""
    found = []
    for i, (coarse, fine) in enumerate(
        zip(map_axes(cube, "cube"), map_axes(guide, "guide"), strict=True)
    ):
        own = AxisScale.of(fine, common.fine[i])
        if field == "same" or not own.units:
            # The calibration of the cube holds.
            scale = coarse.scale / common.grids.step[i]
            first = coarse.axis[common.coarse[i]][0] - common.grids.origin[i] * scale
            values = first + scale * (own.axis - own.axis[0]) / own.scale
            own = AxisScale(own.name, AxisScale.of(coarse).units, values, scale)
        found.append(own._replace(name=AxisScale.of(coarse).name))
    return found[::-1]

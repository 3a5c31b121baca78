"""`super_resolve`: one fine map of shifted, coarse ones, as HyperSpy signals."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..progress import with_progress_bar
from ..suggestions import check_choice
from .fine_signal import SuperResolution, fine_signal
from .shifted_frames import (
    TOLERANCE,
    check_alike,
    frames_of,
    map_axes,
    stacked,
    starts,
)
from .types import BaseSignal, UniformDataAxis

if TYPE_CHECKING:
    from sparsedecomp.superresolution import Registration

# Warn of frames whose prediction error is more than so many times the median one.
_MISFIT = 2.0


@with_progress_bar
def super_resolve(
    signals: BaseSignal | Sequence[BaseSignal],
    scale: float,
    offsets: ArrayLike | None = None,
    *,
    method: str = "auto",
    factors: str | None = "pca",
    n_factors: int | None = None,
    psf: float = 0.0,
    registration: bool | Collection[str] = True,
    prior: float | None = None,
    navigation_mask: Any = None,
    lazy: bool | None = None,
    random_state: int = 0,
    **parameters: Any,
) -> BaseSignal:
    """Make one fine map of several coarse maps that are shifted against each other.

    All energies are resolved together, on the few factors that rise above the noise.
    Shifts are refined from the data around the nominal ones, and the refined ones are
    used only where they predict frames better. A sixteenth of the samples is held out:
    by these the method and its parameters are chosen, and the gain over interpolation
    is measured.

    Parameters
    ----------
    signals : sequence of hyperspy.api.signals.BaseSignal, or one of them
        Maps of one shape, step and energy axis; the offsets of their axes say where
        they begin. Or a stack of them, whose slowest navigation axis counts frames.
        Images (two signal axes) are maps of one channel.
    scale : float
        Step of the maps over that of the result, for instance 2.5 for 500 nm to
        200 nm.
    offsets : (n_frames, 2) array or "estimate", optional
        Where the frames begin, x and y, in the units of the axes; default: the
        offsets of the axes. "estimate" finds them from the data alone.
    method : str, default "auto"
        One of `sparsedecomp.superresolution.METHODS`, which when printed describes each
        of them: "gaussian_process", "oriented_process" (many Gaussian processes, along
        edges), "vtv" (vector total variation), "tikhonov", "bayes_cmrf" (a compound
        Markov random field), "sparse" (sparse codes of patches), "interpolation", or
        "auto" for what predicts best, among which are not the slow "bayes_cmrf" and
        "sparse".
    factors : {"pca", "nmf_so_ard", None}, default "pca"
        What is resolved: principal components, non-negative components, or every
        channel alone, which is slow and worse. Negative values in the maps of
        non-negative components are set to zero, and the report says how large they
        were.
    n_factors : int, optional
        Number of factors; default: those above the noise.
    psf : float, default 0
        Standard deviation of the spot, in the units of the axes, to be deconvolved. The
        methods "gaussian_process", "oriented_process" and "interpolation" do not.
    registration : bool or collection of str, default True
        Refine the offsets, and look for other differences, each of which is used only
        where the evidence asks for it: "frames" that show something else than the
        others are left out, the "intensity" of each frame (its gain, and the offset of
        images) is corrected. A collection names those to look for, among them
        "rotation" and "scale" (magnification), which take minutes and are looked for
        only if they are named; False uses the offsets as they are.
    prior : float, optional
        Standard deviation of the offsets in the units of the axes; default: a fifth
        of the step. Larger values trust the data more.
    navigation_mask : array or signal, or a sequence of one for each frame, optional
        True for pixels to leave out, in the order of ``axes_manager``.
    lazy : bool, optional
        Return a lazy signal whose spectra are made when they are computed; default:
        as the data are.
    random_state : int, default 0
        Seed of the factorisation.
    **parameters : object
        Parameters of the method; those that are left out are chosen by the samples held
        out. ``weight``: of the regularisation of "vtv" (in units of the noise) and
        "tikhonov", and the penalty of "sparse"; larger gives a smoother map. ``order``:
        of the differences of "bayes_cmrf", 1 or 2. ``dictionary``, (n_atoms, size**2):
        of "sparse", see `sparsedecomp.superresolution.image_dictionary`, which learns
        one from other maps; by default it is learnt from photographs, for which
        scikit-image must be installed. ``max_iter``: of iterative methods, default 300.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Fine map of the class of the frames. Its attribute ``super_resolution`` holds
        the standard deviation, the shifts and a report, and is saved with it; the
        figures of the report are in ``metadata.Super_resolution``.

    Raises
    ------
    ValueError
        For frames of different shape, step or energy axis, one frame, missing or
        absurd offsets, a scale below 1, NaN, a spot wider than the field, or a
        parameter that the method does not take.
    TypeError
        For data that are not real numbers.

    Warns
    -----
    UserWarning
        Where the offsets leave frequencies of the fine map to the prior alone, for
        frames that differ from the others, with what was done about it, and for images
        with saturated samples, which are masked.

    See Also
    --------
    sparsedecomp.plan_shifts : Judges offsets before they are measured.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> frames = []
    >>> for x0 in (0.0, 0.5):
    ...     for y0 in (0.0, 0.5):
    ...         y, x = np.mgrid[:14, :14] + np.array([y0, x0])[:, None, None]
    ...         map_ = 2 + np.sin(x) * np.cos(y)
    ...         s = hs.signals.Signal1D(map_[..., None] * np.ones(5))
    ...         s.axes_manager[0].offset, s.axes_manager[1].offset = x0, y0
    ...         frames.append(s)
    >>> fine = sparsedecomp.super_resolve(frames, scale=2, registration=False)
    >>> fine.axes_manager.navigation_shape, fine.axes_manager[0].scale
    ((28, 28), 0.5)
    """
    from ..superresolution.factors import FACTORS, factors_of
    from ..superresolution.frame_checks import check_frames
    from ..superresolution.methods import METHODS
    from ..superresolution.multiframe import resolve
    from ..superresolution.observation.planner import plan_shifts

    parameters = METHODS.complete(method, parameters | ({"psf": psf} if psf else {}))
    parameters.pop("psf", None)
    check_choice("factors", factors, FACTORS)
    frames = frames_of(signals)
    check_frames(np.zeros((len(frames), 1, 1, 1)))
    check_alike(frames)
    axes = map_axes(frames[0])
    begins = starts(frames, offsets, axes)
    steps = np.array([axis.scale for axis in axes])
    shifts = None if begins is None else (begins - begins[0]) / steps
    step = float(np.abs(steps).mean())
    if psf and np.ptp(np.abs(steps)) > TOLERANCE * step:
        raise ValueError(
            f"psf={psf:g} was given for steps of {steps.tolist()}: a round spot needs "
            "equal steps along both axes. Resample one, or leave psf out."
        )
    _check_geometry(shifts, axes, scale, psf * scale / step)
    data, mask = stacked(frames, navigation_mask)
    on_factors = factors_of(data, factors, n_factors, mask, random_state)
    fine = resolve(
        on_factors.maps,
        shifts,
        scale,
        psf=psf * scale / step,
        mask=mask,
        method=method,
        nonnegative=factors == "nmf_so_ard",
        registration=registration,
        prior=None if prior is None else prior / step,
        **parameters,
    )
    plan = plan_shifts(
        1.0, fine.geometry.shifts, psf / step, 1 / float(scale), propose=False
    )
    if plan.rank < plan.n_unknowns:
        warnings.warn(
            f"{plan.describe_missing()} See `sparsedecomp.plan_shifts` for better "
            "offsets.",
            stacklevel=2,
        )
    if fine.fallback:
        warnings.warn(fine.fallback, stacklevel=2)
    _warn_of_differences(fine.registration)
    if lazy is None:
        lazy = any(frame._lazy for frame in frames)
    rows, columns = steps
    report = SuperResolution(fine, on_factors, plan, frames[0], (rows, columns))
    return fine_signal(frames[0], report, lazy)


def _warn_of_differences(registration: Registration | None) -> None:
    """Say which frames are not like the others, and what was done about it."""
    if registration is None:
        return
    kept, misfit = registration.kept, registration.misfit
    said = []
    if not kept.all():
        gone = np.flatnonzero(~kept).tolist()
        said.append(
            f"The frames {gone} are predicted from the others up to "
            f"{misfit[~kept].max():.2g} times worse than the median frame: they show "
            "something else and are left out."
        )
    odd = np.flatnonzero(kept & (misfit > _MISFIT))
    if len(odd):
        said.append(
            f"The frames {odd.tolist()} are predicted from the others up to "
            f"{misfit[odd].max():.2g} times worse than the median frame: they may "
            "be blurred, brighter, or of another place. Look at them, or leave them "
            "out."
        )
    if registration.uneven:
        gain = registration.intensities.gain
        said.append(
            f"The frames differ in gain ({gain.min():.3g} to {gain.max():.3g}) or "
            "offset: they were made even."
        )
    turn, growth = np.ptp(registration.maps, axis=0)
    if turn or growth:
        said.append(
            f"The frames are rotated against each other by up to {np.rad2deg(turn):.2g}"
            f" degrees and magnified by up to {growth:.2g}: the places of their samples"
            " are corrected in blocks of the map."
        )
    for text in said:
        warnings.warn(text, stacklevel=4)


def _check_geometry(
    shifts: NDArray | None,
    axes: tuple[UniformDataAxis, UniformDataAxis],
    scale: float,
    psf: float,
) -> None:
    """Refuse bad scales, shifts and spots before the data are read."""
    from ..superresolution.observation.geometry import Geometry
    from ..superresolution.observation.operators import check_psf

    nominal = np.zeros((2, 2)) if shifts is None else shifts
    shape = (axes[0].size, axes[1].size)
    check_psf(psf, Geometry.around(nominal, shape, scale))


def spectrum_at(self: BaseSignal, x: float, y: float) -> BaseSignal:
    """Spectrum at any point of a map, between its pixels.

    The maps of all energies are interpolated by cubics on the four by four pixels
    around the point. On a super-resolved map this is the spectrum predicted there.

    Parameters
    ----------
    x, y : float
        Position in the units of the navigation axes.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Signal without navigation axes.

    Raises
    ------
    ValueError
        For a point outside the map, and a signal that is no map.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> ramp = np.arange(6.0)[:, None] + np.arange(8.0)
    >>> s = hs.signals.Signal1D(ramp[..., None] * [1.0, 2.0])
    >>> s.spectrum_at(2.5, 3.25).data
    array([ 5.75, 11.5 ])
    """
    from ..superresolution.observation.taps import taps

    axes = self.axes_manager
    if axes.navigation_dimension != 2:
        raise ValueError(
            f"{self} has {axes.navigation_dimension} navigation axes, expected the two "
            "of a map."
        )
    weighted = []
    for axis, place in zip(map_axes(self), (y, x), strict=True):
        pixel = (place - axis.offset) / axis.scale
        if not -1e-9 <= pixel <= axis.size - 1 + 1e-9:
            low, high = sorted((axis.axis[0], axis.axis[-1]))
            raise ValueError(
                f"{place:g} lies outside the axis '{axis.name}', expected {low:g} to "
                f"{high:g} {axis.units}."
            )
        weighted.append(taps([pixel], axis.size))
    (rows, row_weight), (columns, column_weight) = ((i[0], w[0]) for i, w in weighted)
    data = self._data_aligned_with_axes
    window = data[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    window = np.asarray(window)[rows - rows.min()][:, columns - columns.min()]
    spectrum = np.einsum("y,x,yx...->...", row_weight, column_weight, window)
    from .components import _eager_class

    return _eager_class(self)(
        spectrum,
        axes=[dict(a) for a in axes._get_signal_axes_dicts()],
        metadata={"General": {"title": f"Spectrum at ({x:g}, {y:g})"}},
    )

"""`deblur`: signals without the blur of the zero-loss peak or of a point spread."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..progress import with_progress_bar
from .deblurring_results import Deblurring
from .kept_report import keep_report, report_kept_at
from .map_layout import Layout, like
from .restoration_results import Restoration
from .types import BaseSignal

# Place of the report in the metadata of a deblurred signal.
_PLACE = "Deblurring"
# Largest relative difference of the scales of two energy axes.
_SAME = 1e-3


@with_progress_bar
def deblur(
    self: BaseSignal,
    psf: BaseSignal | ArrayLike | None = None,
    *,
    zero_loss: BaseSignal | ArrayLike | None = None,
    method: str = "auto",
    n_components: int | None = None,
    noise: str | float = "auto",
    nonnegative: bool = False,
    lazy: bool | None = None,
    random_state: int = 0,
    **parameters: Any,
) -> BaseSignal:
    """Take the blur of the zero-loss peak off spectra, or a point spread off maps.

    The deblurred spectrum has a smoothness of its own at each energy, which is the most
    probable one, given the data: there is no weight and no number of iterations to
    choose, and no ringing above the noise. Counts have their Poisson likelihood. Of a
    spectrum image, the few spectra that its pixels are mixtures of are deblurred. Maps
    and images are deblurred by total variation, or images by iterations, whichever
    predicts better what is held out, when blurred again.

    Parameters
    ----------
    psf : hyperspy.api.signals.BaseSignal or (2 h + 1, 2 w + 1) array, optional
        Point spread of the maps, in their pixels, its centre in the middle.
    zero_loss : hyperspy.api.signals.BaseSignal or array, optional
        Zero-loss peak without the losses behind it, in channels of the same width. The
        energy zero is where its axis says so, else its maximum.
    method : str, default "auto"
        One of `sparsedecomp.restoration.DEBLURRERS`, which when printed describes each
        of them: "adaptive" (the default), "richardson_lucy" or "fourier_log" for plural
        scattering; the last two are for single spectra. With a point spread, one of
        `SHARPENERS`: "tv", "richardson_lucy" (images), or "auto".
    n_components : int, optional
        Number of components of a spectrum image; default: those above the noise.
    noise : str or float, default "auto"
        Noise model: "poisson" for counts, "uniform" for noise of one variance,
        "estimated" for variances of pixels and channels. For a single spectrum also its
        standard deviation.
    nonnegative : bool, default False
        Set negative values of the result to zero.
    lazy : bool, optional
        Return a lazy signal; default: as the data are.
    random_state : int, default 0
        Seed of what is drawn.
    **parameters : object
        Parameters of the method, such as ``n_iter`` of "richardson_lucy".

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Deblurred signal of the class and axes of this one, in float32. Its attribute
        ``deblurring`` is a `Deblurring`: what was done, and the standard deviation.
        With a point spread it is ``restoration``, a `Restoration`. Both are saved with
        the signal.

    Raises
    ------
    ValueError
        For a point spread and a zero-loss peak together or none of them, one that is
        wider than half of the map or of the spectrum, a zero-loss peak with other
        channels, NaN, negative counts, an unknown method or a parameter that it does
        not take,
        and signals without spectra.
    TypeError
        For data that are not real numbers.

    Warns
    -----
    UserWarning
        Where the data are constant, and are returned unchanged.

    References
    ----------
    .. [1] D. J. C. MacKay, Neural Comput. 4 (1992) 415; R. F. Egerton, Electron
       Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed., Springer (2011).

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> e = np.arange(200)
    >>> peak = np.exp(-0.5 * ((np.arange(41) - 20) / 5.0) ** 2)
    >>> clean = 300 * np.exp(-0.5 * ((e - 100) / 4.0) ** 2) + 10
    >>> blurred = np.convolve(clean, peak / peak.sum(), "same")
    >>> s = hs.signals.Signal1D(np.random.default_rng(0).poisson(blurred))
    >>> sharp = s.deblur(zero_loss=peak)
    >>> bool(sharp.data.max() > 1.3 * s.data.max())
    True
    """
    from ..restoration.methods import DEBLURRERS

    if (psf is None) == (zero_loss is None):
        raise ValueError(
            "psf and zero_loss were both given or both left out, expected one of them: "
            "the blur along the map or along energy."
        )
    if psf is not None:
        return _sharpened(
            self,
            psf,
            method,
            noise=noise,
            n_components=n_components,
            nonnegative=nonnegative,
            lazy=self._lazy if lazy is None else lazy,
            random_state=random_state,
            **parameters,
        )
    if self.axes_manager.signal_dimension != 1:
        raise ValueError(
            f"{self} has {self.axes_manager.signal_dimension} signal axes, expected "
            "spectra: one signal axis."
        )
    layout = Layout(self)
    if self.data.dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {self.data.dtype}, expected real floating point "
            "or integer numbers. Convert them first, e.g. with "
            "s.change_dtype('float32')."
        )
    given = DEBLURRERS.complete(method, parameters)
    name = "adaptive" if method == "auto" else method
    kernel = _kernel(self, zero_loss)
    if layout.channels:
        report = _of_cube(self, layout, name, kernel, noise, n_components, random_state)
    else:
        if n_components is not None:
            raise ValueError(
                f"n_components={n_components!r} was given for a single spectrum, "
                "expected a spectrum image or a line scan."
            )
        report = _of_spectrum(self, name, kernel, noise, random_state, given)
    late = [each for each in report.found if not each.converged]
    if late:
        warnings.warn(
            f"{len(late)} of {len(report.found)} spectra had not converged after "
            f"{late[0].n_iter} iterations; what is left is less than their deviation.",
            stacklevel=4,
        )
    data = report.values(nonnegative)
    lazy = self._lazy if lazy is None else lazy
    signal = like(self, data if lazy else data.compute())
    title = self.metadata.get_item("General.title", "")
    signal.metadata.set_item("General.title", f"{title}, deblurred".lstrip(", "))
    keep_report(signal, _PLACE, report)
    return signal


def _sharpened(
    signal: BaseSignal,
    psf: Any,
    method: str,
    *,
    noise: str | float,
    n_components: int | None,
    nonnegative: bool,
    lazy: bool,
    **options: Any,
) -> BaseSignal:
    """The signal without the blur of a point spread, with its report."""
    from ..restoration.sharpening import sharpen_cube, sharpen_map
    from .restoration import restored_signal

    layout = Layout(signal)
    if hasattr(psf, "axes_manager"):
        psf = psf._data_aligned_with_axes
    spread = np.asarray(psf, float)
    if spread.ndim == 1 and layout.shape[0] == 1:
        spread = spread[None]
    if layout.channels:
        if not isinstance(noise, str):
            raise ValueError(
                f"noise={noise!r} was given for a map of spectra, expected 'auto', "
                "'poisson', 'uniform' or 'estimated'."
            )
        maps = sharpen_cube(
            layout.blocks(),
            layout.shape,
            spread,
            method,
            noise=noise,
            n_components=n_components,
            **options,
        )
    else:
        if n_components is not None:
            raise ValueError(
                f"n_components={n_components!r} was given for a single map, expected a "
                "spectrum image, a line scan or a stack."
            )
        image = np.asarray(signal._data_aligned_with_axes).reshape(layout.shape)
        maps = sharpen_map(image, spread, method, noise=noise, **options)
    report = Restoration(maps, nonnegative, layout.swapped, layout.axes, signal)
    return restored_signal(signal, report, lazy, "deblurred")


def _of_spectrum(
    signal: BaseSignal,
    name: str,
    kernel: NDArray,
    noise: str | float,
    random_state: int,
    given: dict[str, Any],
) -> Deblurring:
    """Report of a single spectrum."""
    from ..noise.single_map import find_map_noise
    from ..restoration.deconvolution import (
        Deconvolution,
        deconvolve,
        richardson_lucy,
        single_scattering,
    )

    values = np.asarray(signal.data, float)
    if not np.isfinite(values).all():
        raise ValueError(
            f"The data are NaN or infinite in channel "
            f"{int(np.argmin(np.isfinite(values)))}: fill it before, with `s.inpaint`."
        )
    if not np.ptp(values):
        warnings.warn(
            "The spectrum is constant: it is returned as it is.", stacklevel=5
        )
    if name == "fourier_log":
        axis = signal.axes_manager.signal_axes[0]
        origin = int(np.argmax(values))
        if axis.is_uniform and axis.low_value <= 0 <= axis.high_value:
            origin = int(axis.value2index(0.0))
        single = single_scattering(values, kernel, origin)
        none = np.full(values.shape, np.nan)
        found, words = Deconvolution(single, none, np.nan, 1, True), "not used"
    else:
        model = find_map_noise(values[None], noise)
        words = "counts" if model.counts else f"standard deviation {model.sigma:.4g}"
        if name == "richardson_lucy":
            found = richardson_lucy(values, kernel, given["n_iter"], random_state)
        elif model.counts:
            found = deconvolve(values, kernel)
        else:
            least = 1e-6 * float(np.abs(values).max())
            found = deconvolve(values, kernel, max(model.sigma, least) ** 2)
    return Deblurring(
        np.ones((1, 1, 1), np.float32), [found], values[None], kernel, name, words,
        signal,
    )  # fmt: skip


def _of_cube(
    signal: BaseSignal,
    layout: Layout,
    name: str,
    kernel: NDArray,
    noise: str | float,
    n_components: int | None,
    random_state: int,
) -> Deblurring:
    """Report of a spectrum image or a line scan."""
    from ..restoration.deblurring import deblur_cube

    if name != "adaptive":
        raise ValueError(
            f"method={name!r} was given for a map of spectra, expected 'adaptive', "
            "which deblurs their components. Apply it to single spectra, for instance "
            "to `s.sum()` or to the spectra of components."
        )
    if not isinstance(noise, str):
        raise ValueError(
            f"noise={noise!r} was given for a map of spectra, expected 'auto', "
            "'poisson', 'uniform' or 'estimated'."
        )
    found = deblur_cube(
        layout.blocks(),
        layout.shape,
        kernel,
        n_components=n_components,
        noise=noise,
        random_state=random_state,
    )
    return Deblurring(
        found.maps, found.found, found.blurred, kernel, name, found.noise, signal
    )


def _kernel(signal: BaseSignal, zero_loss: Any) -> NDArray:
    """Kernel of the blur from a zero-loss peak with the channels of a signal."""
    from ..restoration.deconvolution import kernel_of

    if not hasattr(zero_loss, "axes_manager"):
        return kernel_of(np.asarray(zero_loss))
    if zero_loss.axes_manager.signal_dimension != 1:
        raise ValueError(
            f"zero_loss is {zero_loss}, expected a spectrum: one signal axis."
        )
    axis, own = (each.axes_manager.signal_axes[0] for each in (zero_loss, signal))
    if not (axis.is_uniform and own.is_uniform):
        raise ValueError(
            "The energy axes are not uniform, expected channels of one width: "
            "interpolate on a uniform axis before."
        )
    if abs(axis.scale - own.scale) > _SAME * abs(own.scale):
        raise ValueError(
            f"Channels of the zero-loss peak are {axis.scale:g} wide, those of the "
            f"signal {own.scale:g}: interpolate the peak to the same width."
        )
    data = np.asarray(zero_loss._data_aligned_with_axes, float)
    peak = data.reshape(-1, data.shape[-1]).mean(axis=0)
    centre = int(np.argmax(peak))
    if axis.low_value <= 0 <= axis.high_value:
        zero = int(axis.value2index(0.0))
        # An axis that is not calibrated does not say where the energy zero is.
        centre = zero if peak[zero] > 0.5 * peak.max() else centre
    return kernel_of(peak, centre)


deblurring = report_kept_at(_PLACE, Deblurring, "s.deblur")

"""`inpaint`: signals whose missing pixels, spectra and entries are filled."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..progress import with_progress_bar
from .gaps import inpaint_single, inpaint_spectra, missing_data
from .inpainting_results import Inpainting
from .kept_report import keep_report, report_kept_at
from .map_layout import Layout, like
from .scan_lists import on_map
from .types import BaseSignal

# Place of the report in the metadata of a filled signal.
_PLACE = "Inpainting"


@with_progress_bar
def inpaint(
    self: BaseSignal,
    mask: ArrayLike | BaseSignal | None = None,
    method: str = "auto",
    *,
    positions: ArrayLike | None = None,
    navigation_shape: tuple[int, int] | None = None,
    n_components: int | None = None,
    noise: str | float = "auto",
    keep_measured: bool | None = None,
    nonnegative: bool = False,
    lazy: bool | None = None,
    random_state: int = 0,
    **parameters: Any,
) -> BaseSignal:
    """Fill missing pixels, lines, spectra and entries of spectra.

    The spectra of all pixels are mixtures of a few, which the measured ones tell; the
    maps of these few are filled by a spatial prior, in units of their noise. A part of
    the measured pixels is held out and chooses the method and its parameters. Single
    entries that are missing in a spectrum follow from the others and the few spectra.

    Parameters
    ----------
    mask : array of bool or hyperspy.api.signals.BaseSignal, optional
        True where data are missing, in the order of the axes of ``s.data``: of the
        shape of the maps, or of all the data. Default: where the data are NaN.
    method : str, default "auto"
        One of `sparsedecomp.restoration.INPAINTERS`, which when printed describes each
        of them: "tv" (total variation), "dct" (cosines), "patches" (those that look
        alike), "gp" (Gaussian process), "dictionary", "smooth", "low_rank" (single
        entries only), or "auto" for the mixture that predicts pixels held out best.
    positions : (n, 2) array of int, optional
        Scan list of a signal with one navigation axis: x and y, in pixels from 0 on, of
        each of its spectra. The other pixels of the map are missing.
    navigation_shape : (int, int), optional
        Pixels of the map along x and y, for `positions`; default: up to the last ones.
    n_components : int, optional
        Number of components of a spectrum image; default: those that improve the
        prediction of what was held out.
    noise : str or float, default "auto"
        Noise model: "poisson" for counts, "uniform" for noise of one variance,
        "estimated" for variances of pixels and channels. For a single image or spectrum
        "poisson" or the standard deviation; by default nothing is known of it.
    keep_measured : bool, optional
        Return measured values as they are. Default: restore them, too, as
        `s.denoise()` does; but keep them in images and spectra whose noise is not
        known, and where only single entries are missing.
    nonnegative : bool, default False
        Set negative values of the result to zero.
    lazy : bool, optional
        Return a lazy signal whose spectra are made when they are computed; default: as
        the data are.
    random_state : int, default 0
        Seed of what is held out.
    **parameters : object
        Parameters of the method; those left out are chosen.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Signal without gaps of the class and axes of this one, in float32. Its attribute
        ``inpainting`` is an `Inpainting`: what was chosen against what, the standard
        deviation, and where data were missing. It is saved with the signal.

    Raises
    ------
    ValueError
        For a mask of another shape or with values other than 0 and 1, fewer than eight
        measured pixels, a channel that is missing everywhere, NaN in measured data, an
        unknown method or a parameter that it does not take, and positions that are
        outside the map or repeated.
    TypeError
        For data that are not real numbers.

    Warns
    -----
    UserWarning
        Where whole rows or columns of a map are missing, which their neighbours alone
        tell, and where nothing is missing.

    Notes
    -----
    80 % of the pixels missing cost more than the dose: a fifth of the pixels with five
    times the dose each gives about two decibels less than all of them, for smooth maps.

    References
    ----------
    .. [1] L. Zhuang and J. M. Bioucas-Dias, IEEE J. Sel. Top. Appl. Earth Obs. Remote
       Sens. 11 (2018) 730.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> phase = (np.indices((24, 24)).sum(axis=0) > 23)[..., None]
    >>> spectra = np.random.default_rng(1).uniform(0, 1, (2, 50))
    >>> clean = phase * spectra[0] + ~phase * spectra[1]
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.poisson(clean))
    >>> filled = s.inpaint(rng.random((24, 24)) < 0.5)
    >>> bool(np.std(filled.data - clean) < 0.35 * np.std(s.data - clean))
    True
    """
    if positions is not None:
        if mask is not None:
            raise ValueError("positions and mask were given, expected one of them.")
        self, mask = on_map(self, positions, navigation_shape)
    elif navigation_shape is not None:
        raise ValueError("navigation_shape was given without positions.")
    layout = Layout(self)
    dtype = self.data.dtype
    if dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {dtype}, expected real floating point or integer "
            "numbers. Convert them first, e.g. with s.change_dtype('float32')."
        )
    options = {"random_state": random_state, **parameters}
    if layout.channels:
        if not isinstance(noise, str):
            raise ValueError(
                f"noise={noise!r} was given for a map of spectra, expected 'auto', "
                "'poisson', 'uniform' or 'estimated'."
            )
        fit = partial(inpaint_spectra, noise=noise, n_components=n_components)
    else:
        if n_components is not None:
            raise ValueError(
                f"n_components={n_components!r} was given for a single map, expected a "
                "spectrum image, a line scan or a stack."
            )
        fit = partial(inpaint_single, noise=noise)
    gaps = missing_data(self, layout, mask)
    found = fit(self, layout, gaps, method, **options)
    _warn_of_lines(found.missing)
    if keep_measured is None:
        keep_measured = found.maps is None or not found.maps.noise_known
    data = found.filled(gaps.data, keep_measured, nonnegative)
    lazy = self._lazy if lazy is None else lazy
    signal = like(self, data if lazy else data.compute())
    title = self.metadata.get_item("General.title", "")
    signal.metadata.set_item("General.title", f"{title}, inpainted".lstrip(", "))
    keep_report(signal, _PLACE, found)
    return signal


def _warn_of_lines(missing: NDArray) -> None:
    """Tell of whole rows and columns of a map that are missing."""
    for axis, name in ((1, "rows"), (0, "columns")):
        if missing.shape[axis] > 1 and missing.shape[1 - axis] > 1:
            lines = np.flatnonzero(missing.all(axis=axis))
            if len(lines):
                warnings.warn(
                    f"{len(lines)} {name} of the map have no data at all (the first is "
                    f"{lines[0]}): they are guessed from their neighbours alone.",
                    stacklevel=4,
                )


inpainting = report_kept_at(_PLACE, Inpainting, "s.inpaint")

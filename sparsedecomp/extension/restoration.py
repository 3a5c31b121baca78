"""`denoise`: spectrum images, images and spectra without their noise, as signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..progress import with_progress_bar
from .kept_report import keep_report, report_kept_at
from .map_layout import Layout, like
from .restoration_results import Restoration
from .types import BaseSignal

# Place of the report in the metadata of a restored signal.
_PLACE = "Restoration"


@with_progress_bar
def denoise(
    self: BaseSignal,
    method: str = "auto",
    *,
    n_components: int | None = None,
    noise: str | float = "auto",
    nonnegative: bool = False,
    lazy: bool | None = None,
    random_state: int = 0,
    **parameters: Any,
) -> BaseSignal:
    """Remove the noise of a spectrum image, a line scan, a stack, an image, a spectrum.

    The spectra of all pixels are mixtures of a few, which are found from sums over
    neighbouring pixels; the maps of these few are restored together by a spatial prior,
    in units of their noise. A fifth of the counts is held out (of other data, of the
    information of each value): it chooses the method, its parameters and the number of
    components. Intensities of structures that are smaller than the noise allows are
    smoothed away; principal components do so, too [1]_.

    Parameters
    ----------
    method : str, default "auto"
        One of `sparsedecomp.restoration.METHODS`, which when printed describes each of
        them: "tv" (total variation), "nlm" (non-local means), "dictionary" (K-SVD),
        "gaussian", "pca" (no spatial prior), "wavelets", or "auto" for the mixture of
        them that predicts the counts held out best.
    n_components : int, optional
        Number of components of a spectrum image; default: those that improve the
        prediction of what was held out.
    noise : str or float, default "auto"
        Noise model: "poisson" for counts, "uniform" for noise of one variance,
        "estimated" for variances of pixels and channels. For a single image or
        spectrum also its standard deviation.
    nonnegative : bool, default False
        Set negative values of the result to zero, which adds intensity where there is
        none on average.
    lazy : bool, optional
        Return a lazy signal whose spectra are made when they are computed; default: as
        the data are.
    random_state : int, default 0
        Seed of the split of the data.
    **parameters : object
        Parameters of the method, such as ``weight`` of "tv"; those left out are chosen.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Restored signal of the class and axes of this one, in float32. Its attribute
        ``restoration`` is a `Restoration`: what was chosen against what, the residual
        and the standard deviation. It is saved with the signal.

    Raises
    ------
    ValueError
        For an unknown method or a parameter that it does not take, NaN, data that are
        zero everywhere, negative values with ``noise="poisson"``, and signals of more
        than two navigation axes.
    TypeError
        For data that are not real numbers.

    Warns
    -----
    UserWarning
        Where no noise is found, for instance in a constant image: the data are returned
        unchanged.

    Notes
    -----
    A stack of images (one navigation axis) is restored along the stack like a spectrum
    image along its channels. Lazy data are read four to seven times, block by block.

    References
    ----------
    .. [1] S. Lichtert and J. Verbeeck, Ultramicroscopy 125 (2013) 35.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> phase = (np.indices((24, 24)).sum(axis=0) > 23)[..., None]
    >>> spectra = np.random.default_rng(1).uniform(0, 1, (2, 50))
    >>> clean = phase * spectra[0] + ~phase * spectra[1]
    >>> s = hs.signals.Signal1D(np.random.default_rng(0).poisson(clean))
    >>> restored = s.denoise()
    >>> error = np.std(restored.data - clean) / np.std(s.data - clean)
    >>> bool(error < 0.25), restored.restoration.noise[:6]
    (True, 'counts')
    """
    from ..restoration.denoising import denoise_cube, denoise_map

    layout = Layout(self)
    options = {"random_state": random_state, **parameters}
    if layout.channels == 0:
        if n_components is not None:
            raise ValueError(
                f"n_components={n_components!r} was given for a single map, expected a "
                "spectrum image, a line scan or a stack."
            )
        image = np.asarray(self._data_aligned_with_axes)
        _check_dtype(image.dtype)
        maps = denoise_map(image.reshape(layout.shape), method, noise=noise, **options)
    else:
        if not isinstance(noise, str):
            raise ValueError(
                f"noise={noise!r} was given for a map of spectra, expected 'auto', "
                "'poisson', 'uniform' or 'estimated'."
            )
        maps = denoise_cube(
            layout.blocks(),
            layout.shape,
            method,
            n_components=n_components,
            noise=noise,
            **options,
        )
    lazy = self._lazy if lazy is None else lazy
    report = Restoration(maps, nonnegative, layout.swapped, layout.axes, self)
    return restored_signal(self, report, lazy)


def _check_dtype(dtype: np.dtype) -> None:
    if dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {dtype}, expected real floating point or integer "
            "numbers. Convert them first, e.g. with s.change_dtype('float32')."
        )


def restored_signal(
    source: BaseSignal, report: Restoration, lazy: bool, word: str = "restored"
) -> BaseSignal:
    """The restored data as a signal that carries its report.

    Parameters
    ----------
    source : hyperspy.api.signals.BaseSignal
        The signal before.
    report : Restoration
        The report.
    lazy : bool
        Whether the signal is lazy.
    word : str, default "restored"
        What is added to its title.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
    """
    data = report.values(source)
    signal = like(source, data if lazy else data.compute())
    title = source.metadata.get_item("General.title", "")
    signal.metadata.set_item("General.title", f"{title}, {word}".lstrip(", "))
    keep_report(signal, _PLACE, report)
    return signal


restoration = report_kept_at(_PLACE, Restoration, "s.denoise")

"""Inpainting judged by measured pixels that no method has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.restoration.methods import INPAINTERS
from sparsedecomp.restoration.selection import SHARE, Choice, Split, choose

# Part of the measured pixels that is held out at random.
_SHARE = 0.2
# Where at most this part of the field is missing, gaps of its own shape are held out.
_FEW = 0.3


@dataclass
class HeldOutPixels(Split):
    """Maps of the measured pixels, some of which are not shown to the methods.

    The attributes of `Split` hold all measured pixels; `cross` is zero elsewhere.

    Attributes
    ----------
    measured : (rows, columns) bool array
        Pixels that are shown.
    held : (rows, columns) bool array
        Pixels that are held out.
    """

    measured: NDArray
    held: NDArray

    @property
    def ratio(self) -> float:
        """Signal of the pixels held out over that of the pixels seen: one."""
        return 1.0

    def restored(self, function: Callable[..., NDArray], **parameters: Any) -> NDArray:
        """What a method makes of the pixels that are shown.

        Parameters
        ----------
        function : callable
            The method.
        **parameters : object
            Its parameters.

        Returns
        -------
        (rows, columns, n_factors) array
        """
        return function(self.seen, self.measured, **parameters)

    def weighted(self, maps: NDArray) -> NDArray:
        """Maps whose squares are those of the data, in the pixels held out.

        Parameters
        ----------
        maps : (rows, columns, n_factors) array
            Maps in units of the noise.

        Returns
        -------
        (rows, columns, n_factors) float64 array
        """
        return super().weighted(maps) * self.held[..., None]


@dataclass(frozen=True, kw_only=True)
class Filling(Choice):
    """What fills the gaps of maps, and what it was compared with.

    Attributes
    ----------
    measured : (rows, columns) bool array
        Pixels that are measured.
    held_out_error : float
        Mean square error in pixels held out, without that of their noise: summed over
        the channels of a pixel, in squared units of the data.
    """

    measured: NDArray
    held_out_error: float

    methods = INPAINTERS

    def _restored(
        self, function: Callable[..., NDArray], Z: NDArray, parameters: dict[str, Any]
    ) -> NDArray:
        return function(Z, self.measured, **parameters)


def choose_filling(
    maps: NDArray,
    measured: NDArray,
    row_scale: NDArray,
    spectra: NDArray,
    name: str,
    given: Mapping[str, Any],
    random_state: int = 0,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> Filling:
    """Choose method and parameters by the prediction of measured pixels held out.

    Parameters
    ----------
    maps : (rows, columns, n_factors) array
        Maps with white noise of variance one.
    measured : (rows, columns) bool array
        Pixels that are measured.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    spectra : (n_factors, n_channels) array
        Spectra of the factors.
    name : str
        Name in `INPAINTERS`.
    given : dict of str to object
        Parameters of the method as the user gave them.
    random_state : int, default 0
        Seed of the pixels held out.
    part : (slice, slice)
        Part of the field in which methods are compared.

    Returns
    -------
    Filling
    """
    Z, seen, scale = maps[part], measured[part], row_scale[part]
    held = _held_out(seen, random_state)
    gram = spectra @ spectra.T
    cross = np.square(scale * held)[..., None] * (Z @ gram)
    shown = seen & ~held
    metric = np.linalg.cholesky(gram)
    split = HeldOutPixels(Z, Z, scale, metric, cross, shown, held)
    choice = choose(split, name, given, INPAINTERS)
    # `Split.error` is that of a prediction of zero less than the true one.
    squares = np.square(split.weighted(Z)).sum() - (
        np.trace(gram) * np.square(scale[held]).sum()
    )
    error = choice.error * held.size * (1 - SHARE) + squares
    return Filling(
        choice.shares,
        choice.parameters,
        choice.errors,
        choice.error,
        measured=measured,
        held_out_error=max(float(error) / held.sum(), 0.0),
    )


def _held_out(measured: NDArray, random_state: int) -> NDArray:
    """Measured pixels that are held out: in gaps of the shape of the gaps there are."""
    missing = ~measured
    if 0 < missing.mean() <= _FEW:
        shifts = [max(n // 3, 1) if n > 1 else 0 for n in measured.shape]
        held = np.roll(missing, shifts, axis=(0, 1)) & measured
        if held.any():
            return held
    rng = np.random.default_rng(random_state)
    places = np.flatnonzero(measured)
    n = max(1, int(_SHARE * len(places)))
    held = np.zeros(measured.size, bool)
    held[rng.choice(places, n, replace=False)] = True
    return held.reshape(measured.shape)

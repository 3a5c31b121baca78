"""What is known of shifted frames, and the fine map that a method makes of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.superresolution.frame_checks import (
    check_contrast,
    check_frames,
    with_saturated,
)
from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.gaussian_process.windows import cut_windows
from sparsedecomp.superresolution.mapping import BLOCK, map_by, map_in_blocks
from sparsedecomp.superresolution.observation.geometry import Geometry
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.registration.result import Registration
from sparsedecomp.superresolution.registration.shifts import LOOKED_FOR, register
from sparsedecomp.superresolution.selection import Choice, choose
from sparsedecomp.superresolution.threads import in_threads

_logger = logging.getLogger(__name__)

# Number of factors that shifts are found from: the strongest ones. More take longer,
# and the others are mostly noise.
_STRONGEST = 4
# Number of windows, about, that the covariance of a factor is fitted to. More make the
# fit surer and take longer.
_WINDOWS = 600
# Samples of a window in all frames together: the time of a factorisation grows with the
# third power.
_WINDOW_SAMPLES = 400


@dataclass(frozen=True)
class FineMap:
    """A fine map made by `resolve`, and how it was made.

    Attributes
    ----------
    maps : (H, W, n_factors) array
        The fine map of each factor.
    deviation : (H, W, n_factors) array
        Standard deviation of the map: by "oriented_process" where that made the map,
        else by "gaussian_process".
    geometry : Geometry
        Places of the samples on the fine grid, with the shifts that were used.
    registration : Registration or None
        How the shifts were found; None where they were used as given.
    method : str
        Method that made the map: one of `METHODS`, or "mixture" for one of
        "gaussian_process" and "vtv".
    parameters : dict of str to object
        Parameters of the method, given or chosen; those of "vtv" for a mixture.
    psf : float
        Standard deviation of the spot that was taken off, in pixels of the fine map; 0
        where the map is the specimen as the spot sees it.
    share : float or None
        Share of total variation in a mixture.
    scores : dict of str to float
        Root mean square error at samples that were held out, in units of their noise,
        for each method that was compared.
    fallback : str
        What was not done as asked, and why; else empty.
    seconds : float
        Wall time.
    history : (n_iter,) array
        Change of the map in each iteration; empty for methods without iterations.
    noise : (n_factors,) array
        Standard deviation of the samples, by the evidence.
    processes : tuple of Process
        Covariance of each factor, for samples with a noise of one.
    clipped : float
        Root mean square of the negative values that were set to zero, in units of the
        noise; 0 where negative values were kept.
    """

    maps: NDArray
    deviation: NDArray
    geometry: Geometry
    registration: Registration | None
    method: str
    parameters: dict[str, Any]
    psf: float
    share: float | None
    scores: dict[str, float]
    fallback: str
    seconds: float
    history: NDArray = field(default_factory=lambda: np.zeros(0))
    noise: NDArray = field(default_factory=lambda: np.zeros(0))
    processes: tuple[Process, ...] = ()
    clipped: float = 0.0

    @property
    def weight(self) -> float | None:
        """Weight of the regularisation; None for methods without one."""
        return self.parameters.get("weight")


@one_blas_thread()
def prepare(
    Y: ArrayLike,
    shifts: ArrayLike | None,
    scale: float,
    *,
    mask: NDArray | None = None,
    held_out: NDArray | None = None,
    registration: bool | Collection[str] = True,
    prior: float | None = None,
    origin: tuple[float, float] | None = None,
    shape: tuple[int, int] | None = None,
) -> Prepared:
    """Find shifts, noise and covariances: all that does not depend on the method.

    The parameters are those of `resolve`.
    """
    began = time.perf_counter()
    frames = np.ascontiguousarray(Y)
    check_frames(frames, mask)
    check_contrast(frames, mask)
    if frames.shape[-1] == 1:
        mask = with_saturated(frames, mask)
    registered = maps = None
    if registration or shifts is None:
        fitted = LOOKED_FOR if isinstance(registration, bool) else registration
        registered = register(
            frames[..., :_STRONGEST],
            shifts,
            prior=prior,
            mask=mask,
            differences=fitted,
        )
        kept = registered.kept
        nominal, used = registered.nominal[kept], registered.shifts[kept]
        frames = registered.intensities.apply(frames[kept])
        mask, held_out = (
            None if each is None else each[kept] for each in (mask, held_out)
        )
        if registered.maps.any():
            maps = registered.maps
    else:
        nominal = used = np.asarray(shifts, float)
    geometry = Geometry.around(nominal, frames.shape[1:3], scale).moved(used)
    if origin is not None:
        geometry = replace(
            geometry, origin=(origin[0], origin[1]), shape=(shape[0], shape[1])
        )
    A = FrameOperator(geometry, mask=mask)
    processes, noise = _processes(A, frames, registered, maps)
    if held_out is not None:
        A = A.without(held_out)
    frames = frames / noise
    frames[A.mask] = 0
    return Prepared(A, frames, noise, processes, registered, began, maps)


class Prepared(NamedTuple):
    """Frames of which the shifts, the noise and the covariances are known.

    Attributes
    ----------
    A : FrameOperator
        Operator of the frames without a spot.
    Y : (n_frames, rows, columns, n_factors) array
        Frames in units of their noise; zero where masked.
    noise : (n_factors,) array
        Standard deviation of the samples.
    processes : list of Process
        Covariance of each factor for a noise of one.
    registration : Registration or None
        How the shifts were found.
    began : float
        When the work began, by the performance counter.
    maps : (n_frames, 2) array or None
        Rotations and magnifications of the frames, see `displaced`.
    """

    A: FrameOperator
    Y: NDArray
    noise: NDArray
    processes: list[Process]
    registration: Registration | None
    began: float
    maps: NDArray | None = None

    @one_blas_thread()
    def resolve(
        self,
        name: str,
        parameters: dict[str, Any],
        *,
        nonnegative: bool = False,
        callback: Callable[[int, float], object] | None = None,
        scored: bool = True,
    ) -> FineMap:
        """Make the fine map by a method.

        Parameters
        ----------
        name : str
            One of `METHODS`.
        parameters : dict of str to object
            All parameters of the method; those that are None are found.
        nonnegative, callback
            As in `resolve`.
        scored : bool, default True
            Whether the method is scored even if it has nothing to choose.

        Returns
        -------
        FineMap
        """
        A, Y = self.A, self.Y
        if parameters.get("psf"):
            A = FrameOperator(A.geometry, psf=parameters["psf"], mask=A.mask)
        if scored or name == "auto" or any(v is None for v in parameters.values()):
            choice = choose(A, Y, self.processes, name, parameters)
        else:
            choice = Choice(name, parameters, None, {}, "")
        if self.maps is None:
            made = map_by(A, Y, self.processes, choice, callback)
        else:
            made = map_in_blocks(A, Y, self.processes, self.maps, choice, callback)
        maps, deviation, history = made
        clipped = 0.0
        if nonnegative:
            below = np.square(np.minimum(maps, 0), dtype=float)
            clipped = float(np.sqrt(below.mean()))
            maps = np.maximum(maps, 0)
        seconds = time.perf_counter() - self.began
        _logger.info("%s on %s: %.1f s", choice.method, A.geometry.shape, seconds)
        used = dict(choice.parameters)
        used.pop("max_iter", None)
        return FineMap(
            maps=maps * self.noise,
            deviation=deviation * self.noise,
            geometry=A.geometry,
            registration=self.registration,
            method=choice.method,
            psf=used.pop("psf", 0.0),
            parameters=used,
            share=choice.share,
            scores=choice.scores,
            fallback=choice.fallback,
            seconds=seconds,
            history=history,
            noise=self.noise,
            processes=tuple(self.processes),
            clipped=clipped,
        )


def _processes(
    A: FrameOperator,
    Y: NDArray,
    registered: Registration | None,
    maps: NDArray | None,
) -> tuple[list[Process], NDArray]:
    """Covariance of each factor for samples with a noise of one, and their noise."""
    shifts, shape = A.geometry.shifts, A.geometry.frame_shape
    size = max(4, int(np.sqrt(_WINDOW_SAMPLES / len(Y))))
    step = max(size, int(np.sqrt(shape[0] * shape[1] / _WINDOWS)))
    roughness = registered.process.twice_nu if registered else None

    def process_of(c: int) -> Process:
        windows = cut_windows(Y[..., c : c + 1], shifts, A.mask, size, step)
        if maps is not None:
            # Near the middle of the frames their rotations move the samples little.
            far = np.abs(windows.centres).max(axis=1)
            windows = windows.only(far <= max(BLOCK, far.min()))
        tried = (roughness,) if roughness else (3, 5)
        return min((windows.fitted(nu) for nu in tried), key=lambda fit: fit[2])[1]

    fitted = in_threads(process_of, range(Y.shape[-1]))
    noise = np.array([np.sqrt(p.noise) for p in fitted], Y.dtype)
    scaled = [
        replace(p, variance=p.variance / p.noise, level=p.level / p.noise, noise=1.0)
        for p in fitted
    ]
    return scaled, noise

"""From shifted frames to one fine map: registration, choice of a method, solution."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from numpy.typing import ArrayLike, NDArray

from sparsedecomp.superresolution.fine_map import FineMap, prepare
from sparsedecomp.superresolution.methods import METHODS


def resolve(
    Y: ArrayLike,
    shifts: ArrayLike | None = None,
    scale: float = 2.0,
    *,
    psf: float = 0.0,
    mask: NDArray | None = None,
    held_out: NDArray | None = None,
    method: str = "auto",
    registration: bool | Collection[str] = True,
    prior: float | None = None,
    origin: tuple[float, float] | None = None,
    shape: tuple[int, int] | None = None,
    nonnegative: bool = False,
    callback: Callable[[int, float], object] | None = None,
    **parameters: Any,
) -> FineMap:
    """Make one fine map of the factors of shifted, coarse frames.

    Shifts are refined by `register`. The covariance of each factor is fitted by its
    evidence. Then one sample in sixteen is held out, and the method that predicts these
    samples best makes the map: the posterior of one Gaussian process, that of many
    whose strength and direction differ from place to place (`oriented_posterior`),
    vector total variation with the best weight, or a mixture of it with the first.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames on a few factors, see `factors_of`.
    shifts : (n_frames, 2) array, optional
        Nominal shifts of rows and columns in pixels of the frames; default: found by
        correlation and refined.
    scale : float, default 2
        Step of the frames over that of the fine map; need not be whole. Larger values
        give more pixels, not more detail than the shifts allow (see `plan_shifts`).
    psf : float, default 0
        Standard deviation of the Gaussian spot in pixels of the fine map, to be
        deconvolved. 0 gives the map as the spot sees it. The methods
        "gaussian_process", "oriented_process" and "interpolation" do not deconvolve.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    held_out : (n_frames, rows, columns) bool array, optional
        True for samples that only shifts and covariances are fitted to, to be
        predicted from the map.
    method : str, default "auto"
        One of `METHODS`, a table of all methods with their parameters:
        "gaussian_process", "oriented_process", "vtv" (vector total variation),
        "tikhonov", "sparse" (`sparse_map`), "bayes_cmrf" (`compound_mrf`),
        "interpolation", or "auto" for the best of the quick ones.
    registration : bool or collection of str, default True
        Refine the shifts, and correct other differences of the frames: all, or those
        that are named, see ``differences`` of `register`. False: the nominal shifts are
        used as they are.
    prior : float, optional
        Standard deviation of the nominal shifts, see `register`.
    origin : (float, float), optional
        Where the fine grid begins, in pixels of the frames; default: the field of all
        frames.
    shape : (int, int), optional
        Rows and columns of the fine grid, given together with ``origin``.
    nonnegative : bool, default False
        Set negative values of the map to zero, which brings it nearer to any truth that
        is not negative. `FineMap.clipped` says how large they were.
    callback : callable, optional
        Called in every iteration of a solver with its number and the change of the map;
        returning True ends the solver.
    **parameters : object
        Parameters of the method; those that are left out are chosen by the samples held
        out. ``weight``: of the regularisation of "vtv" (in units of the noise) and
        "tikhonov", and the penalty of "sparse"; larger gives a smoother map. ``pull``
        and ``dictionary``: of "sparse". ``order``: of the differences of "bayes_cmrf",
        1 or 2. ``max_iter``: of "auto" and all iterative methods, default 300.

    Returns
    -------
    FineMap
        Map, its standard deviation, and how it was made.

    Raises
    ------
    ValueError
        For one frame, an unknown method, a parameter that the method does not take, bad
        shifts, a scale below 1, a spot wider than the field, and samples that are not
        finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import resolve
    >>> y, x = np.mgrid[:16, :16]
    >>> shifts = [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]
    >>> Y = np.stack([np.sin(y + a) * np.cos(x + b) for a, b in shifts])[..., None]
    >>> fine = resolve(Y, shifts, 2.0, registration=False)
    >>> truth = np.sin(np.arange(32)[:, None] / 2) * np.cos(np.arange(32) / 2)
    >>> bool(np.abs(fine.maps[..., 0] - truth).max() < 0.05)
    True
    """
    parameters = METHODS.complete(method, parameters | ({"psf": psf} if psf else {}))
    prepared = prepare(
        Y,
        shifts,
        scale,
        mask=mask,
        held_out=held_out,
        registration=registration,
        prior=prior,
        origin=origin,
        shape=shape,
    )
    return prepared.resolve(
        method, parameters, nonnegative=nonnegative, callback=callback
    )

"""Operator from a fine map to the samples of coarse scans, and its adjoint."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.kernels.resampling import sample, spread
from sparsedecomp.superresolution.observation.geometry import MARGIN, Geometry
from sparsedecomp.superresolution.observation.taps import SUPPORT, taps
from sparsedecomp.superresolution.threads import bands, in_threads

Taps = list[tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]]


class FrameOperator:
    """Frames of a map: ``A x = {R_k X C_k'}``, for many factors at once.

    A raster of points samples the map, folded with the spot of the probe. Since frames
    differ by a translation and the spot is separable, each frame is the product of a
    sparse matrix for rows and one for columns. The scale need not be whole.

    Parameters
    ----------
    geometry : Geometry
        Shifts of the frames and the fine grid.
    psf : float, default 0
        Standard deviation of the Gaussian spot in pixels of the fine grid. 0 for a
        map of the specimen as the spot sees it, without deconvolution.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples that do not exist. Those beyond the grid are left out too.
    kernel : {"cubic", "linear", "lanczos3", "lanczos4"}
        Kernel that interpolates the fine map.

    Raises
    ------
    ValueError
        For a spot wider than the field, a mask of another shape, and a mask that
        leaves nothing over.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import FrameOperator, Geometry
    >>> shifts = np.array([[0, 0], [0, 0.4], [0.4, 0.4]])
    >>> A = FrameOperator(Geometry.around(shifts, (8, 9), 2.5))
    >>> X, Y = np.random.rand(*A.geometry.shape, 2), np.random.rand(3, 8, 9, 2)
    >>> bool(np.isclose(np.vdot(A.forward(X), Y), np.vdot(X, A.adjoint(Y))))
    True
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        psf: float = 0.0,
        mask: NDArray | None = None,
        kernel: str = "cubic",
    ) -> None:
        check_psf(psf, geometry)
        self.geometry = geometry
        self.psf = float(psf)
        self.kernel = kernel
        frames = (geometry.n_frames, *geometry.frame_shape)
        excluded = geometry.outside()
        if mask is not None:
            mask = np.asarray(mask, bool)
            if mask.shape != frames:
                raise ValueError(
                    f"The mask has the shape {mask.shape}, expected {frames}: frames, "
                    "rows and columns, True for samples to leave out."
                )
            excluded = excluded | mask
        if excluded.all():
            raise ValueError("All samples are masked or lie outside, change the mask.")
        self.mask = excluded
        self._taps: dict[np.dtype, Taps] = {}

    @property
    def n_samples(self) -> int:
        """Number of samples that exist."""
        return int(np.count_nonzero(~self.mask))

    def _taps_of(self, dtype: np.dtype) -> Taps:
        """Indices and weights of rows and of columns for each frame."""
        if dtype not in self._taps:
            axes = []
            for axis in (0, 1):
                frames = [
                    taps(p, self.geometry.shape[axis], self.kernel, self.psf)
                    for p in self.geometry.positions(axis)
                ]
                axes.append([(i, w.astype(dtype)) for i, w in frames])
            self._taps[dtype] = list(zip(*axes, strict=True))
        return self._taps[dtype]

    def forward(self, X: NDArray) -> NDArray:
        """Frames of a map.

        Parameters
        ----------
        X : (H, W, n_factors) array
            Fine map, float32 or float64.

        Returns
        -------
        (n_frames, rows, columns, n_factors) array
            Samples; zero where they do not exist.
        """
        X = np.ascontiguousarray(X)
        (h, w), n_factors = self.geometry.frame_shape, X.shape[-1]
        Y = np.empty((self.geometry.n_frames, h, w, n_factors), X.dtype)
        image = X.reshape(len(X), -1)

        every = self._taps_of(X.dtype)

        def sample_frame(k: int) -> None:
            (ri, rw), (ci, cw) = every[k]
            sample(image, ri, rw, ci, cw, n_factors, Y[k].reshape(h, -1))

        in_threads(sample_frame, range(len(Y)))
        Y[self.mask] = 0
        return Y

    def adjoint(self, Y: NDArray) -> NDArray:
        """Transpose of `forward`.

        Parameters
        ----------
        Y : (n_frames, rows, columns, n_factors) array
            Samples; those that do not exist may hold anything.

        Returns
        -------
        (H, W, n_factors) array
            Fine map.
        """
        n_factors = Y.shape[-1]
        if self.mask.any():
            Y = np.where(self.mask[..., None], Y.dtype.type(0), Y)
        X = np.zeros((*self.geometry.shape, n_factors), Y.dtype)
        image = X.reshape(len(X), -1)
        every = self._taps_of(Y.dtype)

        # Bands of the map are written by one thread each, in the order of the frames.
        def spread_on(band: slice) -> None:
            for y, ((ri, rw), (ci, cw)) in zip(Y, every, strict=True):
                y = y.reshape(len(y), -1)
                spread(y, ri, rw, ci, cw, n_factors, band.start, image[band])

        in_threads(spread_on, bands(len(X)))
        return X

    def norm(self, n_iter: int = 30) -> float:
        """Upper bound of the largest singular value, by the power method.

        Parameters
        ----------
        n_iter : int, default 30
            Number of iterations.

        Returns
        -------
        float
            The estimate, which is a little too small, and 2 % more.
        """
        x = np.random.default_rng(0).random((*self.geometry.shape, 1))
        for _ in range(n_iter):
            x /= np.linalg.norm(x)
            x = self.adjoint(self.forward(x))
        return 1.02 * float(np.sqrt(np.linalg.norm(x)))

    def without(self, mask: NDArray) -> FrameOperator:
        """The operator without some more samples.

        Parameters
        ----------
        mask : (n_frames, rows, columns) bool array
            True for samples to leave out.

        Returns
        -------
        FrameOperator
            Operator on the same grid.
        """
        return FrameOperator(
            self.geometry, psf=self.psf, mask=self.mask | mask, kernel=self.kernel
        )

    def moved(self, shifts: NDArray) -> FrameOperator:
        """The operator on the same grid for other shifts.

        Parameters
        ----------
        shifts : (n_frames, 2) array
            Shifts in pixels of the frames.

        Returns
        -------
        FrameOperator
            Samples that this one leaves out are left out there, too.
        """
        # Not by the constructor: a piece may be narrower than the spot, or all masked.
        operator = FrameOperator.__new__(FrameOperator)
        operator.geometry, operator.psf = self.geometry.moved(shifts), self.psf
        operator.kernel, operator._taps = self.kernel, {}
        operator.mask = self.mask | operator.geometry.outside()
        return operator

    def tiles(self, size: int, halo: int | None = None) -> Iterator[Tile]:
        """Operators of overlapping pieces of the map, for maps larger than memory.

        A sample tells about the map within a few pixels. A piece solved with a halo
        around it is therefore, in its core, the solution of the whole.

        Parameters
        ----------
        size : int
            Rows and columns of the core of a piece, in pixels of the fine grid.
        halo : int, optional
            Number of pixels around the core; default: ``4 psf + 4 scale`` and the reach
            of the kernel.

        Yields
        ------
        Tile
            A piece, row by row. The cores of all pieces cover the map once.
        """
        scale = self.geometry.scale
        if halo is None:
            halo = int(np.ceil(4 * self.psf + 4 * scale)) + SUPPORT[self.kernel]
        cuts = [
            [(a, min(a + size, n)) for a in range(0, n, size)]
            for n in self.geometry.shape
        ]
        for rows in cuts[0]:
            for columns in cuts[1]:
                yield self.piece((rows, columns), halo)

    def piece(self, core: Sequence[tuple[int, int]], halo: int) -> Tile:
        """The operator of a piece of the map.

        Parameters
        ----------
        core : ((int, int), (int, int))
            First and last row, and first and last column, of the piece.
        halo : int
            Number of pixels around it.

        Returns
        -------
        Tile
            Operator of the piece, and where it lies in the map.
        """
        whole = self.geometry
        window = [
            (max(a - halo, 0), min(b + halo, n))
            for (a, b), n in zip(core, whole.shape, strict=True)
        ]
        starts, sizes, shifts = [], [], []
        for axis, (a, b) in enumerate(window):
            position = whole.positions(axis)
            inside = (position >= a - MARGIN) & (position <= b - 1 + MARGIN)
            first = np.argmax(inside, axis=1)
            size = max(int(inside.sum(axis=1).max()), 1)
            first = np.minimum(first, whole.frame_shape[axis] - size)
            starts.append(first)
            sizes.append(size)
            shifts.append(whole.shifts[:, axis] + first)
        (top, bottom), (left, right) = window
        geometry = Geometry(
            np.stack(shifts, axis=1),
            (sizes[0], sizes[1]),
            whole.scale,
            (whole.origin[0] + top / whole.scale, whole.origin[1] + left / whole.scale),
            (bottom - top, right - left),
        )
        cut = [
            (k, slice(i, i + sizes[0]), slice(j, j + sizes[1]))
            for k, (i, j) in enumerate(zip(*starts, strict=True))
        ]
        mask = np.stack([self.mask[part] for part in cut])
        inner = tuple(
            slice(c - a, d - a) for (a, _), (c, d) in zip(window, core, strict=True)
        )
        outer = tuple(slice(*each) for each in core)
        # Not by the constructor: a piece may be narrower than the spot, or all masked.
        operator = FrameOperator.__new__(FrameOperator)
        operator.geometry, operator.psf = geometry, self.psf
        operator.kernel, operator._taps = self.kernel, {}
        operator.mask = mask | geometry.outside()
        return Tile(operator, cut, inner, outer)


class Tile(NamedTuple):
    """A piece of the map.

    Attributes
    ----------
    operator : FrameOperator
        Operator of the piece with its halo.
    cut : list of (int, slice, slice)
        Frame, rows and columns of the samples that belong to it.
    inner, outer : tuple of slice
        Rows and columns of the core in the piece, and in the whole map.
    """

    operator: FrameOperator
    cut: list[tuple[int, slice, slice]]
    inner: tuple[slice, ...]
    outer: tuple[slice, ...]

    def samples(self, Y: NDArray) -> NDArray:
        """The part of the frames (n_frames, rows, columns, ...) that belongs here."""
        return np.stack([np.asarray(Y[part]) for part in self.cut])


def check_psf(psf: float, geometry: Geometry) -> None:
    """Refuse a point spread that is negative, not finite or wider than the field.

    Parameters
    ----------
    psf : float
        Standard deviation in pixels of the fine grid.
    geometry : Geometry
        Its shape is the field.

    Raises
    ------
    ValueError
        Gives both widths.
    """
    if not (isinstance(psf, numbers.Real) and np.isfinite(psf) and psf >= 0):
        raise ValueError(
            f"psf={psf!r} was given, expected the standard deviation of the spot in "
            "pixels of the fine grid, 0 or more."
        )
    field = min(geometry.shape)
    if 4 * psf >= field:
        raise ValueError(
            f"The point spread function (standard deviation {psf:g} pixels of the fine "
            f"grid) is wider than the field of {geometry.shape[0]} x "
            f"{geometry.shape[1]}: nothing can be resolved. Check its units."
        )

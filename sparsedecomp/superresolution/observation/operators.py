"""What a coarse scan sees of a fine map, and the transpose of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sparsedecomp.kernels.resampling import sample, spread
from sparsedecomp.superresolution.observation.geometry import MARGIN, Geometry
from sparsedecomp.superresolution.observation.taps import SUPPORT, taps
from sparsedecomp.superresolution.threads import bands, in_threads


class FrameOperator:
    """Frames of a map: ``A x = {R_k X C_k'}``, for many factors at once.

    A raster of points samples the map, folded with the spot of the probe; a pure
    translation and a separable spot make every frame the product of a few taps along
    rows and a few along columns. The scale need not be whole.

    Parameters
    ----------
    geometry : Geometry
        Shifts of the frames and the fine grid.
    psf : float, default 0
        Standard deviation of the Gaussian spot in pixels of the fine grid. 0 for a
        map of the specimen as the spot sees it, which asks for no deconvolution.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples that do not exist. Those beyond the grid are left out too.
    kernel : {"cubic", "linear", "lanczos3", "lanczos4"}
        That interpolates the fine map.

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

    def __init__(self, geometry, *, psf=0.0, mask=None, kernel="cubic"):
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
        self._taps = {}

    @property
    def n_samples(self):
        """Samples that exist."""
        return int(np.count_nonzero(~self.mask))

    def _taps_of(self, dtype):
        if dtype not in self._taps:
            found = []
            for axis in (0, 1):
                each = [
                    taps(p, self.geometry.shape[axis], self.kernel, self.psf)
                    for p in self.geometry.positions(axis)
                ]
                found.append([(i, w.astype(dtype)) for i, w in each])
            self._taps[dtype] = list(zip(*found, strict=True))
        return self._taps[dtype]

    def forward(self, X):
        """Frames of a map.

        Parameters
        ----------
        X : (H, W, n_factors) array
            float32 or float64.

        Returns
        -------
        (n_frames, rows, columns, n_factors) array
            Zero where samples do not exist.
        """
        X = np.ascontiguousarray(X)
        (h, w), n_factors = self.geometry.frame_shape, X.shape[-1]
        Y = np.empty((self.geometry.n_frames, h, w, n_factors), X.dtype)
        image = X.reshape(len(X), -1)

        def one(k):
            (ri, rw), (ci, cw) = self._taps_of(X.dtype)[k]
            sample(image, ri, rw, ci, cw, n_factors, Y[k].reshape(h, -1))

        self._taps_of(X.dtype)
        in_threads(one, range(len(Y)))
        Y[self.mask] = 0
        return Y

    def adjoint(self, Y):
        """Transpose of `forward`.

        Parameters
        ----------
        Y : (n_frames, rows, columns, n_factors) array

        Returns
        -------
        (H, W, n_factors) array
        """
        n_factors = Y.shape[-1]
        if self.mask.any():
            Y = np.where(self.mask[..., None], Y.dtype.type(0), Y)
        X = np.zeros((*self.geometry.shape, n_factors), Y.dtype)
        image = X.reshape(len(X), -1)
        every = self._taps_of(Y.dtype)

        # Bands of the map are written by one thread each, in the order of the frames.
        def one(band):
            for y, ((ri, rw), (ci, cw)) in zip(Y, every, strict=True):
                y = y.reshape(len(y), -1)
                spread(y, ri, rw, ci, cw, n_factors, band.start, image[band])

        in_threads(one, bands(len(X)))
        return X

    def norm(self, n_iter=30):
        """Largest singular value, a little over it, by the power method.

        Parameters
        ----------
        n_iter : int, default 30

        Returns
        -------
        float
        """
        x = np.random.default_rng(0).random((*self.geometry.shape, 1))
        for _ in range(n_iter):
            x /= np.linalg.norm(x)
            x = self.adjoint(self.forward(x))
        return 1.02 * float(np.sqrt(np.linalg.norm(x)))

    def without(self, mask):
        """The operator without the samples of a mask as well.

        Parameters
        ----------
        mask : (n_frames, rows, columns) bool array
        """
        return FrameOperator(
            self.geometry, psf=self.psf, mask=self.mask | mask, kernel=self.kernel
        )

    def tiles(self, size, halo=None):
        """Operators of overlapping pieces of the map, for maps larger than memory.

        What a sample says about a map reaches a few pixels: a piece solved with a halo
        around it is, in its core, the solution of the whole.

        Parameters
        ----------
        size : int
            Rows and columns of the core of a piece, in pixels of the fine grid.
        halo : int, optional
            Pixels around the core; default: ``4 psf + 4 scale`` and the kernel's reach.

        Yields
        ------
        Tile
            Pieces in the order of rows; their cores cover the map once.
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

    def piece(self, core, halo):
        """The operator of a piece of the map.

        Parameters
        ----------
        core : pair of (first, last)
            Rows and columns of the piece.
        halo : int
            Pixels around it.

        Returns
        -------
        Tile
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
        origin = tuple(
            o + a / whole.scale for o, (a, _) in zip(whole.origin, window, strict=True)
        )
        geometry = Geometry(
            np.stack(shifts, axis=1),
            tuple(sizes),
            whole.scale,
            origin,
            tuple(b - a for a, b in window),
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
        operator = FrameOperator.__new__(FrameOperator)
        operator.geometry, operator.psf, operator.kernel = (
            geometry,
            self.psf,
            self.kernel,
        )
        operator.mask, operator._taps = mask | geometry.outside(), {}
        return Tile(operator, cut, inner, outer)


class Tile(NamedTuple):
    """A piece of the map.

    Attributes
    ----------
    operator : FrameOperator
        Of the piece with its halo.
    cut : list of tuples
        Frame, rows and columns of the samples that belong to it.
    inner, outer : tuples of slices
        The core in the piece, and in the whole map.
    """

    operator: FrameOperator
    cut: list
    inner: tuple
    outer: tuple

    def samples(self, Y):
        """The part of the frames (n_frames, rows, columns, ...) that belongs here."""
        return np.stack([np.asarray(Y[part]) for part in self.cut])


def check_psf(psf, geometry):
    """Refuse a point spread that is no width or is wider than the field.

    Parameters
    ----------
    psf : float
        Standard deviation in pixels of the fine grid.
    geometry : Geometry

    Raises
    ------
    ValueError
    """
    if not (np.isscalar(psf) and np.isfinite(psf) and psf >= 0):
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

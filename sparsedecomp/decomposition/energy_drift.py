"""Drift of the energy axis during a scan, from the spectra alone.

The expected spectrum of pixel ``i`` is ``(A_i S)(e - d_i)`` with a smooth map of shifts
``d``. Unmodelled, a shift of half a channel looks like one or two further components.
The mean of the shifts cannot be known: it is one with the energy axis itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator, cg

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.rank import estimate_rank
from sparsedecomp.kernels.alignment import shift_spectra
from sparsedecomp.noise import Finding

# Pixels are put together until no more than this many are left: the drift is smooth.
_MOST_CELLS = 2048
_ROUNDS = 40
# More components than this are not looked for in aligned data.
_MOST_COMPONENTS = 12
# The shifts stand still when they change by less than this (channels, rms).
_STILL = 0.002
# The two variances of the smooth map are free parameters: a map has to be more probable
# than white noise by more than this (nats). Of a drift that adds no component to the
# data nothing else tells: more is asked of it.
_LEAST_GAIN, _ALONE = 5.0, 15.0
# Channels that one round moves a pixel by at most.
_LONGEST_STEP = 3.0
# Ratios of the roughness penalty to the information of a pixel that are tried.
_PENALTIES = 10.0 ** np.arange(-2, 7)
# Channels of data that were interpolated or smoothed share their noise: then nothing
# tells components from noise. Correlation of neighbouring channels, and components
# that are taken out before it is measured.
_CORRELATED, _BEFORE = 0.1, 6
# Parts of the spectrum whose shifts are compared, and how many standard deviations
# apart they are when the shift is not that of the whole axis.
_BANDS, _RIGID = 3, 3.0


@dataclass(frozen=True)
class EnergyDrift:
    """A map of shifts of the energy axis.

    Attributes
    ----------
    shift : (n_pixels,) array
        By how many channels the spectrum of each pixel lies further up than on
        average; zeros where no drift was found.
    n_components : int
        Number of components of the aligned data.
    n_components_unaligned : int
        Number of components that the drift made of them.
    gain : float
        Log-likelihood ratio of the smooth map against shifts of no order, in nats.
    deviation_of_bands : float
        How differently parts of the spectrum move, in standard deviations. Above
        three it is a chemical shift rather than a drift of the axis.
    """

    shift: np.ndarray
    n_components: int
    n_components_unaligned: int
    gain: float
    deviation_of_bands: float

    @property
    def found(self) -> bool:
        """Whether there is a drift beyond doubt."""
        return bool(np.any(self.shift))

    @property
    def rigid(self) -> bool:
        """Whether all parts of the spectrum move alike."""
        return self.deviation_of_bands < _RIGID


def drift_finding(blocks: BlockMatrix, drift: EnergyDrift) -> Finding | None:
    """What a drift means for a decomposition, as a finding of a data check.

    Parameters
    ----------
    blocks : BlockMatrix
        The data that were looked at.
    drift : EnergyDrift
        What was found in them.

    Returns
    -------
    Finding or None
        None where there is no drift.
    """
    if not drift.found:
        return None
    span = np.ptp(drift.shift)
    more = drift.n_components_unaligned - drift.n_components
    message = f"The energy axis drifts by {span:.2g} channels over the scan"
    if more > 0:
        message += f", which adds {more} component{'s' * (more > 1)}"
    if not drift.rigid:
        message += (
            f"; parts of the spectrum move differently ({drift.deviation_of_bands:.1f} "
            "standard deviations), as in a chemical shift"
        )
    advice = (
        "algorithm='nmf_so_ard' models it (energy_drift='auto'); for other methods "
        "align the spectra first, with s.shift1D(-s.estimate_energy_drift().data)."
    )
    return Finding("energy_drift", message + ".", advice, blocks.rows)


def estimate_energy_drift(
    blocks: BlockMatrix, unit: float = 0.0, random_state: int = 0
) -> EnergyDrift:
    """Find a drift of the energy axis over a scan, and its size in every pixel.

    For every number of components up to that of the data as they are, the shifts are
    fitted together with the components by Gauss-Newton steps, and smoothed by the most
    probable roughness penalty. The smallest number is taken for which the aligned data
    have no more components than that.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled, on a line or a plane of pixels.
    unit : float, default 0
        Size of one count; 0 for data with noise that is the same everywhere. Data
        whose channels were interpolated or smoothed tell no drift from noise: none is
        reported for them, and `EnergyDrift.n_components` is 0.
    random_state : int, default 0
        Seed of the reassignment of counts to channels.

    Returns
    -------
    EnergyDrift
        After one pass over the data.
    """
    pooled, cell, shape = _pool(blocks)
    present = pooled.sum(axis=1) > 0
    if not unit and _noise_correlation(pooled[present]) > _CORRELATED:
        return EnergyDrift(np.zeros(blocks.shape[0]), 0, 0, 0.0, 0.0)
    model = _Alignment(pooled, shape, unit, present)
    most = _rank(pooled[present], unit)
    none = EnergyDrift(np.zeros(blocks.shape[0]), most, most, 0.0, 0.0)
    for k in range(1, min(most, _MOST_COMPONENTS) + 1):
        shift, gain = model.fit(k)
        if gain < (_LEAST_GAIN if k < most else _ALONE):
            continue
        if model.rank(shift, random_state) <= k:
            fine = _refined(shift, shape, blocks, cell)
            return EnergyDrift(
                fine - fine.mean(), k, most, gain, model.deviation_of_bands(shift, k)
            )
    return none


def _noise_correlation(X):
    """Correlation of neighbouring channels in what strong components leave over."""
    k = min(_BEFORE, min(X.shape) // 2)
    V = np.linalg.eigh(X.T @ X)[1][:, : -k - 1 : -1]
    residual = X - (X @ V) @ V.T
    squares = np.square(residual).sum()
    if squares <= 1e-20 * np.square(X).sum():
        return 0.0
    return float(np.sum(residual[:, 1:] * residual[:, :-1]) / squares)


def _rank(X, unit):
    noise, method = ("poisson", "bootstrap") if unit else ("uniform", "noise_edge")
    return estimate_rank(as_blocks(X), method, noise=noise).n_components


def _trimmed(X, shift):
    """Without the channels into which something from beyond the ends was moved."""
    margin = int(np.ceil(np.abs(shift).max())) + 2
    return np.ascontiguousarray(X[:, margin : X.shape[1] - margin])


def _plane(blocks):
    """Sizes of the plane of pixels: axes before the last are put together."""
    *slow, fast = blocks.navigation_shape
    return int(np.prod(slow)) if slow else 1, fast


def _pool(blocks):
    """Sums of the spectra of neighbouring pixels, in one pass.

    Returns
    -------
    pooled : (n_cells, n_channels) array
    cell : (n_pixels,) int array
        Which cell each pixel belongs to.
    shape : tuple of int
        Cells along both axes.
    """
    ny, nx = _plane(blocks)
    size = [1, 1]
    while -(-ny // size[0]) * -(-nx // size[1]) > _MOST_CELLS:
        size[int(nx / size[1] > ny / size[0])] *= 2
    shape = -(-ny // size[0]), -(-nx // size[1])
    y, x = np.divmod(blocks.rows, nx)
    cell = (y // size[0]) * shape[1] + x // size[1]
    (parts,), _ = blocks.unscaled().run(_cell_sums, rows=(cell,))
    pooled = np.zeros((shape[0] * shape[1], blocks.shape[1]))
    for part in parts:
        if part is not None:
            pooled[part[0]] += part[1]
    return pooled, cell, shape


def _cell_sums(X, cell):
    """Sums of some rows by cell; a function for `BlockMatrix.run`."""
    part = np.full(len(cell), None, dtype=object)
    cells, inverse = np.unique(cell, return_inverse=True)
    sums = np.zeros((len(cells), X.shape[1]))
    if hasattr(X, "toarray"):
        X = X.toarray()
    np.add.at(sums, inverse, X)
    part[0] = cells, sums
    return (part,), ()


def _refined(shift, shape, blocks, cell):
    """The shift of every pixel, between the centres of the cells."""
    if len(shift) == np.prod(_plane(blocks)):
        return shift[cell]
    from scipy.ndimage import map_coordinates

    ny, nx = _plane(blocks)
    y, x = np.divmod(blocks.rows, nx)
    size = -(-ny // shape[0]), -(-nx // shape[1])
    places = [(y + 0.5) / size[0] - 0.5, (x + 0.5) / size[1] - 0.5]
    return map_coordinates(shift.reshape(shape), places, order=1, mode="nearest")


class _Alignment:
    """Shifts and a low-rank model of spectra on a plane of cells."""

    def __init__(self, X, shape, unit, present):
        self.X, self.shape, self.unit = X, shape, unit
        self.present, self.weight = present, present.astype(float)
        brightness = np.maximum(X.sum(axis=1), unit)
        self.row_scale = np.ones(len(X))
        if unit:
            self.row_scale = np.sqrt(brightness / brightness[present].mean())
        self.vectors = None

    def fit(self, k):
        """Shifts for ``k`` components and the gain of their smooth map in nats."""
        shift = np.zeros(len(self.X))
        gain = 0.0
        for number in range(_ROUNDS):
            slope, residual = self._linearised(shift, k)
            information = np.einsum("ij,ij->i", slope, slope) * self.weight
            floor = 1e-6 * information.mean()
            information = np.maximum(information, floor + np.finfo(float).tiny)
            step = -np.einsum("ij,ij->i", slope, residual) / information
            target = shift + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            new, gain = smooth_map(target, information, self.shape)
            # What has no order in the first rounds does not come to order later.
            if number == 1 and gain < 0.5 * _LEAST_GAIN:
                break
            change = np.sqrt(np.mean((new - shift) ** 2))
            limit = 0.25 * self.X.shape[1]
            shift = np.clip(new, -limit, limit)
            if change < _STILL:
                break
        return shift, gain

    def _linearised(self, shift, k):
        """Derivative by the shift beside the components, and the residual, weighted."""
        M, scale, V, Y = self._low_rank(shift, k)
        slope = np.gradient(M * scale, axis=1) / scale
        return slope - (slope @ V) @ V.T, Y - M

    def _low_rank(self, shift, k):
        """The aligned data of ``k`` components, weighted by the noise, trimmed."""
        Y = np.empty_like(self.X)
        shift_spectra(self.X, shift, Y)
        Y = _trimmed(Y, shift)
        scale = self.row_scale[:, None]
        if self.unit:
            mean = Y.mean(axis=0)
            scale = scale * np.sqrt(np.maximum(mean, 1e-9 * mean.max()))
        Y = Y / scale
        V = self._leading(Y, k)
        return (Y @ V) @ V.T, np.broadcast_to(scale, Y.shape), V, Y

    def _leading(self, Y, k):
        """Leading right singular vectors, iterated from those of the round before."""
        start = self.vectors
        if start is None or start.shape != (Y.shape[1], k):
            gram = Y.T @ Y if Y.shape[1] <= len(Y) else None
            if gram is None:
                left = np.linalg.eigh(Y @ Y.T)[1][:, : -k - 1 : -1]
                self.vectors = np.linalg.qr(Y.T @ left)[0]
            else:
                self.vectors = np.linalg.eigh(gram)[1][:, : -k - 1 : -1]
        else:
            for _ in range(2):
                self.vectors = np.linalg.qr(Y.T @ (Y @ self.vectors))[0]
        return self.vectors

    def rank(self, shift, seed):
        """Number of components of the aligned data, whose noise stays independent.

        Counts move as counts. Of other data only every third channel is taken, whose
        interpolation has no channel in common with that of the next.
        """
        if self.unit:
            counts = np.round(self.X / self.unit).astype(np.int64)
            moved = move_counts(counts, shift, np.random.default_rng(seed))
            return _rank(_trimmed(moved, shift)[self.present], 1.0)
        out = np.empty_like(self.X)
        shift_spectra(self.X, shift, out)
        noise = np.sqrt(np.square(_spline_weights(shift)[1]).sum(axis=0))
        out = (_trimmed(out, shift) / noise[:, None])[self.present, ::3]
        return _rank(out, 0.0)

    def deviation_of_bands(self, shift, k):
        """Largest deviation of the shift of a part of the spectrum, in its error."""
        M, scale, V, Y = self._low_rank(shift, k)
        slope = np.gradient(M * scale, axis=1) / scale
        own = slope - (slope @ V) @ V.T
        along = np.square(own).sum(axis=0).cumsum()
        cuts = np.searchsorted(along / along[-1], np.arange(1, _BANDS) / _BANDS)
        edges = [0, *cuts, Y.shape[1]]
        weights = np.square(own).sum(axis=1)
        x = shift - np.average(shift, weights=weights)
        largest = 0.0
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            if last - first < k + 2:
                continue
            Q = np.linalg.qr(V[first:last])[0]
            p = slope[:, first:last] - (slope[:, first:last] @ Q) @ Q.T
            residual = Y[:, first:last] - (Y[:, first:last] @ Q) @ Q.T
            fit = np.sum(np.square(p) * (x * x)[:, None])
            against = -np.sum(p * residual * x[:, None])
            error = np.sqrt(np.mean(np.square(residual)) * fit)
            largest = max(largest, abs(against) / max(error, 1e-300))
        return float(largest)


def _spline_weights(shift):
    """Whole channels of a shift, and the weights of `shift_spectra` around them."""
    whole = np.floor(shift + 0.5)
    t = shift - whole
    weights = [0.5 * (0.5 - t) ** 2, 0.75 - t**2, 0.5 * (0.5 + t) ** 2]
    return whole.astype(int), np.array(weights)


def move_counts(
    counts: np.ndarray, shift: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Move every count by ``-shift`` channels, to one of three channels by chance.

    The probabilities are the weights of a quadratic B-spline. What comes out are counts
    with the expectation that the spline gives, Poisson distributed and independent as
    before, which weighted sums of counts are not.

    Parameters
    ----------
    counts : (n, m) int array
        Spectra of counts.
    shift : (n,) array
        In channels.
    generator : numpy.random.Generator
        Draws the channels.

    Returns
    -------
    (n, m) float array
        Counts that leave the range stay in its first or last channel.
    """
    n, m = counts.shape
    whole, (before, centre, after) = _spline_weights(-shift)
    first = generator.binomial(counts, before[:, None])
    second = generator.binomial(counts - first, (centre / (centre + after))[:, None])
    moved = np.zeros((n, m))
    rows = np.arange(n)[:, None]
    parts = first, second, counts - first - second
    for offset, part in zip((-1, 0, 1), parts, strict=True):
        channel = np.clip(np.arange(m) + (whole + offset)[:, None], 0, m - 1)
        np.add.at(moved, (rows, channel), part)
    return moved


def smooth_map(
    values: np.ndarray, information: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """The most probable smooth map of noisy values, with mean zero.

    Minimises ``sum I (z - d)^2 + mean(I) sum_w (ly wy^2 + lx wx^2) |DCT d|^2`` with
    ``w^2 = 2 - 2 cos(pi k / n)``. The penalties ``ly`` and ``lx`` are those of largest
    marginal likelihood, the noise of the values profiled out.

    Parameters
    ----------
    values : (n,) array
        Value of each cell.
    information : (n,) array
        Inverse variance of each.
    shape : tuple of int
        Cells along both axes.

    Returns
    -------
    smooth : (n,) array
        The map.
    gain : float
        Log-likelihood over that of values without order, in nats.
    """
    weights = information.reshape(shape)
    mean = weights.mean()
    wy, wx = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in shape)
    squares = np.square(
        dctn(weights * values.reshape(shape), norm="ortho") / mean
    ).ravel()[1:]
    candidates = []
    for ly in _PENALTIES if shape[0] > 1 else (0.0,):
        for lx in _PENALTIES if shape[1] > 1 else (0.0,):
            penalty = ly * np.square(wy)[:, None] + lx * np.square(wx)[None]
            variance = 1 + 1 / np.maximum(penalty.ravel()[1:], 1e-12)
            likelihood = -0.5 * np.log(variance).sum()
            likelihood -= 0.5 * len(squares) * np.log(np.mean(squares / variance))
            candidates.append((likelihood, penalty))
    best, penalty = max(candidates, key=lambda each: each[0])
    null = -0.5 * len(squares) * np.log(np.mean(squares))

    def operator(x):
        x = x.reshape(shape)
        rough = idctn(mean * penalty * dctn(x, norm="ortho"), norm="ortho")
        return (weights * x + rough).ravel()

    def preconditioner(x):
        x = dctn(x.reshape(shape), norm="ortho") / (mean * (penalty + 1))
        return idctn(x, norm="ortho").ravel()

    n = values.size
    smooth, _ = cg(
        LinearOperator((n, n), matvec=operator),
        information * values,
        M=LinearOperator((n, n), matvec=preconditioner),
        rtol=1e-6,
        maxiter=100,
    )
    return smooth - np.average(smooth, weights=information), float(best - null)

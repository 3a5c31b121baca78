"""Sparse fit of the shells of atoms in a spectrum, an image, or parts of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hyperspy.signals import BaseSignal

from sparsedecomp.blocks import as_blocks
from sparsedecomp.progress import with_progress_bar
from sparsedecomp.signals.exafs_result import SparseEXAFSResult
from sparsedecomp.signals.pixelwise import Array
from sparsedecomp.signals.scan_flags import check_basis, warn_of
from sparsedecomp.xas.grids import accept_old_names
from sparsedecomp.xas.shells.pixel_moments import PixelMoments

if TYPE_CHECKING:
    from sparsedecomp.signals.exafs import EXAFSSpectrum
    from sparsedecomp.xas import ArrayBasis, Debye, FeffBasis, FourierBasis, ShellPrior
N_SCORES = 6
"""Number of principal components in which k-means separates the pixels. More separate
phases of smaller variance, and add noise."""


@accept_old_names
@with_progress_bar
def exafs_sparse_fit(
    signal: EXAFSSpectrum,
    basis: FeffBasis | FourierBasis | ArrayBasis,
    *,
    support: str = "joint",
    clusters: int | np.ndarray | BaseSignal | None = None,
    method: str = "evidence",
    kmin: float = 3.0,
    kmax: float | None = None,
    rmin: float = 1.0,
    rmax: float = 5.2,
    kweight: float = 3,
    e0: float | None = None,
    sigma2: float | Debye | None = None,
    noise: float | None = None,
    prior: ShellPrior | None = None,
    refine: bool = True,
    hierarchical: bool = True,
    max_shells: int = 12,
    penalty: float | str = "kblock",
    n_lambdas: int = 20,
    n_sweeps: int = 20000,
    random_state: int | np.random.Generator | None = None,
) -> SparseEXAFSResult:
    """Find the shells of atoms in EXAFS spectra by a sparse fit.

    Parameters
    ----------
    signal : EXAFSSpectrum
        EXAFS chi(k), not weighted by k. Pixels with NaN are excluded from the fit and
        are NaN in the results.
    basis : FeffBasis, FourierBasis or ArrayBasis
        EXAFS of one atom as a function of element and distance, such as
        ``FeffBasis.from_composition("Ni", ["O", "Ni"])``.
    support : {"joint", "pixel", "cluster"}, default "joint"
        One set of shells for the image, one for each pixel, or one for each part of
        the image.
    clusters : int, array_like or BaseSignal, optional
        For ``support="cluster"``: the number of parts, which k-means then finds, or a
        map of their labels.
    method : {"evidence", "lasso", "mcmc"}, default "evidence"
        How a set of shells is chosen: the largest exact evidence by greedy search, the
        Lasso, or the posterior mean over sets by Markov chain Monte Carlo. The latter
        two are for exploration: their intervals leave out errors of the theory.
    kmin, kmax : float, default 3 and min(16, end of the data - 0.5)
        Range of k in 1/angstrom.
    rmin, rmax : float, default 1 and 5.2
        Range of R of the transform without phase correction, in angstrom.
    kweight : float, default 3
        The error of the theory is assumed to be constant in k^kweight chi. Larger
        values rely less on small k.
    e0 : float, optional
        Shift of the energy zero in eV; fitted by default.
    sigma2 : float or Debye, optional
        Mean square displacement in square angstrom, or a function of the distance;
        fitted by default.
    noise : float, optional
        Standard deviation of chi in a pixel; by default estimated from chi(R) at 15
        to 25 angstrom.
    prior : ShellPrior, optional
        Prior distributions of the parameters.
    refine : bool, default True
        Refine distances and other parameters of a joint set of shells off the grid.
    hierarchical : bool, default True
        On a joint set of shells, estimate each pixel with the mean and covariance of
        all pixels as its prior, which shrinks noisy pixels towards the mean. False
        gives the unbiased estimate of each pixel.
    max_shells : int, default 12
        Largest number of shells. The evidence usually stops the search earlier.
    penalty : float or {"kblock", "scans"}, default "kblock"
        Penalty of the Lasso as a fraction of the largest one, or how it is chosen by
        cross-validation: by blocks of k, or by repeated scans, which `signal` then
        holds.
    n_lambdas : int, default 20
        Number of penalties of the Lasso path.
    n_sweeps : int, default 20000
        Number of Monte Carlo sweeps for each pixel. The standard error of the
        posterior falls with its square root.
    random_state : None, int or numpy.random.Generator
        Seed of the Monte Carlo method and, if an int, of k-means.

    Returns
    -------
    SparseEXAFSResult
        Maps of the numbers of atoms, shells, model and residual. The maps of a lazy
        signal are lazy; the fit itself reads the data once.

    Raises
    ------
    ValueError
        If the range of k leaves the data or the basis, a choice is unknown, the labels
        do not fit the image, every pixel holds NaN, or the metadata name another
        absorber or edge than the basis.

    Warns
    -----
    UserWarning
        Where the scan or the fit is not to be trusted; also in ``messages`` of the
        result.

    Notes
    -----
    Numbers of atoms depend on the amplitude reduction factor of the basis, and
    distances on the accuracy of FEFF6L: for metals about 0.005 angstrom in the first
    shell and 0.01 beyond, for oxygen 0.02. Multiple scattering that is not collinear
    is not described.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> from sparsedecomp.xas import FeffBasis
    >>> basis = FeffBasis.from_composition("Cu", ["Cu"])
    >>> k = np.arange(1, 331) * 0.05
    >>> chi = 12 * basis.channels[0].columns(k, 2.556, sigma2=0.008)[0, 0]
    >>> s = hs.signals.Signal1D(chi)
    >>> s.axes_manager[0].scale = s.axes_manager[0].offset = 0.05
    >>> s.axes_manager[0].units = "1/Angstrom"
    >>> s.set_signal_type("EXAFS")
    >>> round(s.exafs_sparse_fit(basis).shells()[0]["R"], 2)
    2.56
    """
    # Importing the fit compiles its kernels, which reducing mu(E) does not need.
    from sparsedecomp.xas.shells.sparse_fit import SparseEXAFS

    if support not in ("joint", "pixel", "cluster"):
        raise ValueError(
            f'support={support!r}: expected "joint", "pixel" or "cluster".'
        )
    if (clusters is None) == (support == "cluster"):
        raise ValueError(
            f"support={support!r} with clusters={clusters!r}: give a number or a map "
            'of labels with support="cluster", and only with it.'
        )
    messages = [*signal.metadata.get_item("XAS.flags", []), *check_basis(signal, basis)]
    k = np.asarray(signal.axes_manager.signal_axes[0].axis, dtype=float)
    data = signal._data_aligned_with_axes
    if signal._lazy:
        data = data.rechunk({-1: -1})
    # A small integer type: of a million pixels even the labels take memory.
    labels = np.zeros(data.shape[:-1], dtype=np.int8)
    if clusters is not None:
        labels = _labels(data, clusters, random_state)
        parts = np.unique(labels[labels >= 0])
        labels = np.where(labels >= 0, np.searchsorted(parts, labels), -1)
    scans = None
    if method == "lasso" and penalty == "scans":
        scans = np.asarray(data).reshape(-1, len(k))
    fits = [
        SparseEXAFS(
            basis,
            method=method,
            support="pixel" if support == "pixel" else "joint",
            kmin=kmin,
            kmax=kmax,
            rmin=rmin,
            rmax=rmax,
            kweight=kweight,
            e0=e0,
            sigma2=sigma2,
            noise=noise,
            prior=prior,
            refine=refine,
            hierarchical=hierarchical,
            max_shells=max_shells,
            penalty=penalty,
            n_lambdas=n_lambdas,
            n_sweeps=n_sweeps,
            random_state=random_state,
        ).fit_moments(moments, k, scans=scans)
        for moments in _moments(data, labels)
    ]
    messages += [
        f"Part {part}: {note}" if len(fits) > 1 else note
        for part, fit in enumerate(fits)
        for note in fit.notes_
    ]
    warn_of(messages)
    return SparseEXAFSResult(signal, fits, labels, messages)


def _moments(data: Array, labels: np.ndarray) -> list[PixelMoments]:
    """Moments of the pixels of each label from 0 on, in one read of the data."""
    pixels = as_blocks(np.atleast_2d(data), dtype=float)
    _, sums = pixels.run(_sums, [labels.ravel()], (int(labels.max()) + 1,))
    return [PixelMoments(int(count), *rest) for count, *rest in zip(*sums, strict=True)]


def _sums(chi: np.ndarray, labels: np.ndarray, n_parts: int) -> tuple[tuple, tuple]:
    """Count, sum and second moments of each part of a block, for `BlockMatrix.run`."""
    parts = [PixelMoments.of(chi[labels == part]) for part in range(n_parts)]
    names = ("count", "total", "second")
    return (), tuple([getattr(part, name) for part in parts] for name in names)


def _labels(
    data: Array,
    clusters: int | np.ndarray | BaseSignal,
    random_state: int | np.random.Generator | None,
) -> np.ndarray:
    """Map of the part of each pixel; -1 for pixels with NaN."""
    shape = data.shape[:-1]
    if not isinstance(clusters, int | np.integer):
        labels = np.asarray(getattr(clusters, "data", clusters))
        if labels.shape != shape:
            raise ValueError(
                f"clusters has shape {labels.shape}, the image has {shape}: give one "
                "label for each pixel."
            )
        return np.unique(labels, return_inverse=True)[1].reshape(shape)
    from sklearn.cluster import KMeans

    (moments,) = _moments(data, np.zeros(shape, dtype=np.int8))
    if not 1 <= clusters <= moments.count:
        raise ValueError(
            f"clusters={clusters!r}: expected 1 to the {moments.count} pixels there "
            "are."
        )
    scatter = moments.second - np.outer(moments.mean, moments.total)
    directions = np.linalg.eigh(scatter)[1][:, -N_SCORES:]
    scores = as_blocks(data, dtype=float).matmul(directions)
    finite = np.all(np.isfinite(scores), axis=1)
    labels = np.full(len(scores), -1)
    seed = random_state if isinstance(random_state, int) else 0
    labels[finite] = KMeans(clusters, n_init=4, random_state=seed).fit_predict(
        scores[finite]
    )
    return labels.reshape(shape)

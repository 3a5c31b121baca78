"""`exafs_sparse_fit`: shells of a spectrum, of an image, or of parts of an image."""

import numpy as np

from sparsedecomp.blocks import as_blocks
from sparsedecomp.extension.exafs_result import SparseEXAFSResult
from sparsedecomp.xas.shells.pixel_moments import PixelMoments
from sparsedecomp.xas.shells.sparse_fit import SparseEXAFS

_DIRECTIONS = 6


def exafs_sparse_fit(signal, basis, *, support="joint", clusters=None, **options):
    """Find the shells of atoms in EXAFS spectra by a sparse fit.

    Parameters
    ----------
    signal : EXAFSSpectrum
        chi(k), not weighted by k. Pixels with NaN are left out and reported as NaN.
    basis : FeffBasis, FourierBasis or ArrayBasis
        What a shell looks like: ``FeffBasis.from_composition("Ni", ["O", "Ni"])``.
    support : {"joint", "pixel", "cluster"}, default "joint"
        One set of shells for the image, one for each pixel, or one for each part of
        the image.
    clusters : int, array_like or BaseSignal, optional
        For ``"cluster"``: the number of parts, found by k-means, or a map of their
        labels.
    **options
        Of `sparsedecomp.xas.SparseEXAFS`: method ("evidence", "lasso", "mcmc"),
        k_range, r_range, k_weight, e0, sigma2, noise, prior, polish, population,
        max_shells, penalty, n_lambdas, n_sweeps, random_state.

    Returns
    -------
    SparseEXAFSResult
        Of a lazy signal its maps are lazy; the fit itself reads the data once.

    Raises
    ------
    ValueError
        If the range of k leaves the data or the basis, an option is unknown, the
        labels do not fit the image, or every pixel holds NaN.

    Notes
    -----
    On a joint support, or one of a cluster, pixels help each other: their atoms are
    taken as one population, and where noise hides how a pixel differs it is drawn to
    the mean. The unbiased estimate of each pixel is that of ``population=False``.

    Numbers of atoms are only as good as the amplitude reduction factor of the basis,
    and distances as FEFF6L: for metals to some 0.005 angstrom in the first shell and
    0.01 beyond, for oxygen to 0.02. Shells whose multiple scattering is not collinear
    are not described.

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
    if support not in ("joint", "pixel", "cluster"):
        raise ValueError(
            f'support={support!r}: expected "joint", "pixel" or "cluster".'
        )
    if (clusters is None) == (support == "cluster"):
        raise ValueError(
            f"support={support!r} with clusters={clusters!r}: give a number or a map "
            'of labels with support="cluster", and only with it.'
        )
    k = np.asarray(signal.axes_manager.signal_axes[0].axis, dtype=float)
    data = signal._data_aligned_with_axes
    if signal._lazy:
        data = data.rechunk({-1: -1})
    if support == "cluster":
        options["support"] = "joint"
        seed = options.get("random_state")
        labels = _labels(signal, data, clusters, seed)
        parts = np.unique(labels[labels >= 0])
        labels = np.where(labels >= 0, np.searchsorted(parts, labels), -1)
    else:
        options["support"] = support
        # Of a million pixels even the labels count.
        labels = np.zeros(data.shape[:-1], dtype=np.int8)
    scans = None
    if options.get("method") == "lasso" and options.get("penalty") == "scans":
        scans = np.asarray(data).reshape(-1, len(k))
    fits = [
        SparseEXAFS(basis, **options).fit_moments(moments, k, scans=scans)
        for moments in _moments(data, labels)
    ]
    return SparseEXAFSResult(signal, fits, labels)


def _moments(data, labels):
    """PixelMoments of the pixels of each label from 0 on: one pass over the data."""
    pixels = as_blocks(np.atleast_2d(data), dtype=float)
    _, sums = pixels.run(_sums, [labels.ravel()], (int(labels.max()) + 1,))
    return [PixelMoments(int(count), *rest) for count, *rest in zip(*sums, strict=True)]


def _sums(chi, labels, n_parts):
    """`PixelMoments` of the pixels of each label; a function for `BlockMatrix.run`."""
    parts = [PixelMoments.of(chi[labels == part]) for part in range(n_parts)]
    return (), [
        [getattr(part, name) for part in parts] for name in ("count", "total", "second")
    ]


def _labels(signal, data, clusters, seed):
    """Map of the parts of the image; -1 for pixels with NaN."""
    shape = data.shape[:-1]
    if not np.isscalar(clusters):
        labels = np.asarray(getattr(clusters, "data", clusters))
        if labels.shape != shape:
            raise ValueError(
                f"clusters has shape {labels.shape}, the image has {shape}: give one "
                "label for each pixel."
            )
        return np.unique(labels, return_inverse=True)[1].reshape(shape)
    from sklearn.cluster import KMeans

    (every,) = _moments(data, np.zeros(shape, dtype=np.int8))
    if not 1 <= clusters <= every.count:
        raise ValueError(
            f"clusters={clusters!r}: expected 1 to the {every.count} pixels there are."
        )
    centred = every.second - np.outer(every.mean, every.total)
    directions = np.linalg.eigh(centred)[1][:, -_DIRECTIONS:]
    scores = as_blocks(data, dtype=float).matmul(directions)
    good = np.all(np.isfinite(scores), axis=1)
    labels = np.full(len(scores), -1)
    seed = seed if isinstance(seed, int) else 0
    labels[good] = KMeans(clusters, n_init=4, random_state=seed).fit_predict(
        scores[good]
    )
    return labels.reshape(shape)

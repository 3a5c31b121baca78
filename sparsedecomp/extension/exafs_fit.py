"""`exafs_sparse_fit`: shells of a spectrum, of an image, or of parts of an image."""

import numpy as np

from sparsedecomp.extension.exafs_result import SparseEXAFSResult
from sparsedecomp.xas.moments import Moments
from sparsedecomp.xas.sparse_fit import SparseEXAFS

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
        k_range, r_range, k_weight, e0, sigma2, noise, prior, polish, max_shells,
        penalty, n_lambdas, n_sweeps, random_state.

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
    else:
        options["support"] = support
        labels = np.zeros(data.shape[:-1], dtype=int)
    scans = None
    if options.get("method") == "lasso" and options.get("penalty") == "scans":
        scans = np.asarray(data).reshape(-1, len(k))
    parts = np.unique(labels[labels >= 0])
    fits = [
        SparseEXAFS(basis, **options).fit_moments(
            _moments(data, labels == part), k, scans=scans
        )
        for part in parts
    ]
    return SparseEXAFSResult(signal, fits, np.searchsorted(parts, labels))


def _moments(data, selected):
    """Moments of the pixels selected, block by block."""
    if isinstance(data, np.ndarray):
        return Moments.of(data[selected])
    import dask
    import dask.array as da

    chosen = da.from_array(selected, chunks=data.chunks[:-1])
    tasks = [
        dask.delayed(lambda chi, of: Moments.of(chi[of]))(block, of)
        for block, of in zip(
            data.to_delayed().ravel(), chosen.to_delayed().ravel(), strict=True
        )
    ]
    while len(tasks) > 1:
        # A tree, so that few sums wait in memory and the order is always the same.
        tasks = [
            dask.delayed(sum)(tasks[i + 1 : i + 4], tasks[i])
            for i in range(0, len(tasks), 4)
        ]
    return dask.compute(tasks[0])[0]


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

    every = _moments(data, np.ones(shape, dtype=bool))
    if not 1 <= clusters <= every.count:
        raise ValueError(
            f"clusters={clusters!r}: expected 1 to the {every.count} pixels there are."
        )
    centred = every.second - np.outer(every.mean, every.total)
    directions = np.linalg.eigh(centred)[1][:, -_DIRECTIONS:]
    scores = np.asarray(data @ directions).reshape(-1, directions.shape[1])
    good = np.all(np.isfinite(scores), axis=1)
    labels = np.full(len(scores), -1)
    seed = seed if isinstance(seed, int) else 0
    labels[good] = KMeans(clusters, n_init=4, random_state=seed).fit_predict(
        scores[good]
    )
    return labels.reshape(shape)

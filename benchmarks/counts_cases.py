"""Sparse counts: time to the loss that scikit-learn's multiplicative updates reach.

Both get the same CSR matrix of measured counts and minimise the Kullback-Leibler
divergence and nothing else, each from its own default start.
"""

import warnings

import numpy as np

from benchmarks.measure import Clock, Meter

COMPONENTS = 3
MANTLE = "edx_mantle_lamella"


def fit_counts(method, *, iterations=None, until=None, dataset=MANTLE):
    """Factorise the counts of a data set.

    Parameters
    ----------
    method : {"ours", "peer"}
        `PoissonNMF` without prior, or scikit-learn's NMF.
    iterations : int, optional
        Of the peer.
    until : float, optional
        Loss at which ours stops.
    dataset : str
        For `sparsedecomp.datasets.load`.

    Returns
    -------
    dict
        A row for the report: times, "iterations", and the "loss" that was reached,
        ``sum(x log(x / m) - x + m)`` in nats. Compiling is not timed.
    """
    import scipy.sparse

    from sparsedecomp import datasets

    warnings.simplefilter("ignore")
    data = datasets.load(dataset).data
    X = scipy.sparse.csr_array(data.reshape(-1, data.shape[-1]).astype(np.float32))
    prepare = _ours if method == "ours" else _peer
    fit = prepare(X, iterations=iterations, until=until)
    meter, clock = Meter(), Clock()
    W, H, taken = fit()
    times = clock.read()
    return {
        **times,
        "peak_mib": meter.peak_mib(),
        "iterations": taken,
        "loss": _loss(X, W, H),
        "components": COMPONENTS,
    }


def _ours(X, *, until, **_):
    from sparsedecomp import PoissonNMF

    x = X.data.astype(float)
    constant = x @ np.log(x) - x.sum()
    last, complete = np.inf, False

    def watch(progress):
        # Groups of channels, which come first, have a lower loss than all of them.
        nonlocal last, complete
        complete = complete or progress.objective > last
        last = progress.objective
        return until is not None and complete and last + constant <= until

    model = PoissonNMF(COMPONENTS, concentration=None, max_iter=3, random_state=0)
    model.fit(X)
    model.set_params(max_iter=1000, tol=1e-6, callback=watch)

    def fit():
        W = model.fit_transform(X)
        return W, model.components_, model.n_iter_

    return fit


def _peer(X, *, iterations, **_):
    from sklearn.decomposition import NMF

    model = NMF(
        COMPONENTS,
        solver="mu",
        beta_loss="kullback-leibler",
        init="nndsvda",
        tol=0,
        max_iter=iterations,
        random_state=0,
    )

    def fit():
        W = model.fit_transform(X)
        return W, model.components_, model.n_iter_

    return fit


def _loss(X, W, H):
    W, H = W.astype(float), H.astype(float)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    expected = np.einsum("ij,ji->i", W[rows], H[:, X.indices])
    x = X.data.astype(float)
    return float(x @ np.log(x / expected) - x.sum() + W.sum(axis=0) @ H.sum(axis=1))

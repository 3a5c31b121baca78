"""Where a factorisation starts: spectra taken from the low-rank picture of the data."""

from __future__ import annotations

import numpy as np

from sparsedecomp.decomposition.geometric.simplex import (
    best_vertices,
    dimensions_of,
    grow,
    signal_coordinates,
)

INITIALISATIONS = ("auto", "spa", "vca", "nfindr", "nndsvd", "random")
_VCA_RUNS = 20
# Pixels whose mean stands for the vertex that one of them was found to be.
_NEIGHBOURS = 8


def inits(init, n_init):
    """The kind of every start; "auto" is extreme pixels first, then random ones."""
    if init != "auto":
        return [init] * n_init
    return ["spa"] + ["random"] * (n_init - 1)


def initial_spectra(low_rank, n_components, init, generator):
    """Non-negative spectra of unit norm to start from.

    Parameters
    ----------
    low_rank : LowRank
    n_components : int
    init : {"spa", "vca", "nfindr", "nndsvd", "random"}
        "spa": the vertices of the cloud of pixels, by successive projection [1]_, each
        averaged over its neighbours; "vca": by the best of 20 runs of vertex component
        analysis [3]_; "nfindr": these, exchanged until the volume stands still [4]_;
        "nndsvd": the positive parts of the singular vectors [2]_; "random": the
        denoised spectra of random pixels, as published.
    generator : numpy.random.Generator

    Returns
    -------
    (n_components, n_channels) float64 array

    References
    ----------
    .. [1] N. Gillis and S. A. Vavasis, IEEE Trans. Pattern Anal. Mach. Intell. 36
       (2014) 698. https://doi.org/10.1109/TPAMI.2013.226
    .. [2] C. Boutsidis and E. Gallopoulos, Pattern Recognit. 41 (2008) 1350.
       https://doi.org/10.1016/j.patcog.2007.09.010
    """
    if init == "nndsvd":
        S = _nndsvd(low_rank, n_components)
    elif init == "random":
        n = len(low_rank.scores)
        chosen = generator.choice(n, n_components, replace=n < n_components)
        S = low_rank.scores[chosen].astype(float) @ low_rank.basis.T
    elif init == "spa":
        S = _vertices(low_rank, n_components)
    else:
        S = _largest_simplex(low_rank, n_components, init == "nfindr", generator)
    # A component that is nothing would stay so: give it the mean spectrum.
    S = np.maximum(S, 0.0)
    norm = np.linalg.norm(S, axis=1, keepdims=True)
    mean = np.maximum(low_rank.scores.mean(axis=0, dtype=float) @ low_rank.basis.T, 0.0)
    mean = mean if mean.any() else np.ones_like(mean)
    S = np.where(norm > 1e-12 * norm.max(), S, mean)
    return S / np.linalg.norm(S, axis=1, keepdims=True)


def _vertices(low_rank, n_components):
    Z = low_rank.scores[:, : max(n_components, 2)].astype(float)
    # Compositions are compared: brightness is divided out, dark pixels are set aside.
    brightness = np.abs(Z[:, 0])
    bright = brightness > 0.3 * np.median(brightness)
    Z[~bright] = 0.0
    Z[bright] /= brightness[bright, None]
    squares = np.einsum("ij,ij->i", Z, Z)
    residual = Z.copy()
    found = []
    for _ in range(n_components):
        length = np.einsum("ij,ij->i", residual, residual)
        farthest = int(np.argmax(length))
        if length[farthest] <= 1e-20 * squares.max():
            break
        distance = squares - 2 * (Z @ Z[farthest]) + squares[farthest]
        distance[~bright] = np.inf
        count = min(_NEIGHBOURS, int(bright.sum()))
        found.append(np.argpartition(distance, count - 1)[:count])
        direction = residual[farthest] / np.sqrt(length[farthest])
        along = residual @ direction
        for column, part in zip(residual.T, direction, strict=True):
            column -= along * part
    S = np.zeros((n_components, len(low_rank.basis)))
    for k, pixels in enumerate(found):
        S[k] = low_rank.scores[pixels].mean(axis=0, dtype=float) @ low_rank.basis.T
    return S


def _largest_simplex(low_rank, n_components, exchange, generator):
    S = np.zeros((n_components, len(low_rank.basis)))
    k = min(n_components, dimensions_of(low_rank))
    if k:
        view = signal_coordinates(low_rank, k)
        chosen = best_vertices(view.points, k, _VCA_RUNS, generator)
        if exchange:
            chosen = grow(view.points, chosen)
        S[:k] = view.spectra[chosen] @ low_rank.basis.T
    return S


def _nndsvd(low_rank, n_components):
    S = np.zeros((n_components, len(low_rank.basis)))
    for k in range(min(n_components, len(low_rank.singular_values))):
        v = low_rank.basis[:, k]
        u = low_rank.scores[:, k]
        positive = np.linalg.norm(np.maximum(u, 0)) * np.linalg.norm(np.maximum(v, 0))
        negative = np.linalg.norm(np.minimum(u, 0)) * np.linalg.norm(np.minimum(v, 0))
        S[k] = np.maximum(v if positive >= negative else -v, 0.0)
    return S

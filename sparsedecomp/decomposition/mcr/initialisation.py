"""Where multivariate curve resolution starts: corners of the cone, or purest pixels."""

from __future__ import annotations

import numpy as np

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.geometric.simplex import (
    best_vertices,
    grow,
    signal_coordinates,
    vertices,
)
from sparsedecomp.decomposition.geometric.sss_vca import corners_of_cone
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.mcr.constraints import constrained_rows
from sparsedecomp.metrics import match_components

INITIALISATIONS = ("auto", "vca", "spa", "nndsvd", "random")
_RUNS_OF_VCA = 20
# Simplices of pixels that are tried, and in how many iterations.
_SIMPLICES = 4
TRIAL = 5
# Pixels whose mean stands for a vertex.
_NEIGHBOURS = 8
# With more components the search of the cone takes longer than the fit.
_FEW = 8


def start_candidates(low, n_components, init, generator, *, cone):
    """Sets of spectra to start from, of which the one that fits best is to be taken.

    Parameters
    ----------
    low : LowRank
    n_components : int
    init : {"auto", "vca", "spa", "nndsvd", "random"}
        "auto": corners of the cone of non-negative spectra, see `SSSVCA`, where pixels
        do not come near to all of them and no background seems to be shared; else the
        largest simplices of pixels, by N-FINDR from several runs of VCA, each vertex
        averaged over pixels like it. The rest as
        for `initial_spectra`; "vca" keeps the scale of its pixels.
    generator : numpy.random.Generator
    cone : bool
        Whether corners of the cone, whose scale is free, may be taken.

    Returns
    -------
    list of (n_components, n_channels) float64 arrays
    """
    k = n_components
    if init in ("auto", "vca"):
        with one_blas_thread():
            if init == "auto" and cone and k <= _FEW:
                corners = corners_of_cone(low, k, generator)
                if corners is not None:
                    return [corners]
            view = signal_coordinates(low, k)
            if init == "auto":
                return _simplices(view, low, k, generator)
            pixels = best_vertices(view.points, k, _RUNS_OF_VCA, generator)
            return [view.spectra[pixels] @ low.basis.T]
    return [initial_spectra(low, k, init, generator)]


def _simplices(view, low, k, generator):
    """Spectra of different simplices that no exchange of one pixel makes larger."""
    found = {}
    for _ in range(_RUNS_OF_VCA):
        pixels = grow(view.points, vertices(view.points, k, generator))
        volume = abs(np.linalg.det(view.points[pixels]))
        found[tuple(sorted(pixels))] = volume
    largest = sorted(found, key=found.get, reverse=True)[:_SIMPLICES]
    return [_averaged(view, pixels) @ low.basis.T for pixels in largest]


def _averaged(view, pixels):
    """Mean of the pixels nearest to each vertex, without those that are too dark."""
    seen = np.flatnonzero(view.points.any(axis=1))
    count = min(_NEIGHBOURS, len(seen))
    spectra = []
    for vertex in pixels:
        distance = np.square(view.points[seen] - view.points[vertex]).sum(axis=1)
        near = seen[np.argpartition(distance, count - 1)[:count]]
        spectra.append(view.spectra[near].mean(axis=0))
    return np.array(spectra)


def with_known(candidates, k, low, known, maps):
    """Spectra to start from in the order of the components: known ones, known maps.

    Parameters
    ----------
    candidates : (k, n_channels) array
        Or as many fewer as there are known spectra.
    k : int
    low : LowRank
    known : (q, n_channels) array
        Known spectra, which replace the candidates most like them.
    maps : (n_pixels, p) array
        Known maps; each starts with the spectrum whose map is most like it.

    Returns
    -------
    (k, n_channels) array
    """
    if len(known) and len(candidates) == k:
        like_known = match_components(known, candidates)[1]
        candidates = np.delete(candidates, like_known, axis=0)
    if maps.shape[1]:
        F = low.scores.astype(float) @ (low.basis.T @ candidates.T)
        W = constrained_rows(F, candidates @ candidates.T, "nonnegative")
        like_maps = match_components(maps.T, W.T)[1]
        others = np.delete(candidates, like_maps, axis=0)
        candidates = np.vstack([candidates[like_maps], others])
    return np.vstack([known, candidates])

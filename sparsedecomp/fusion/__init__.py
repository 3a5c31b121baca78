"""Fusion of a sharp image with a coarse spectrum image.

Everything here works on plain arrays. Cubes are (rows, columns, channels), guides
(rows, columns, bands); lengths are in pixels of the guide. The face to HyperSpy is
``s.fuse(guide)``.

degradation  grids, point spread, and whether the guide shows the field of the cube
subspace     a cube as a few coefficients with white noise
process      Gaussian processes whose covariance knows the guide
solvers      fine coefficients, by one model or another
fused        all of it together: `fuse`
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "Acceptance": "degradation.acceptance",
    "Degradation": "degradation.operator",
    "Fused": "fused",
    "Grids": "degradation.grids",
    "METHODS": "methods",
    "PointSpread": "degradation.point_spread",
    "PointSpreadEstimate": "degradation.estimation",
    "Problem": "problem",
    "Solution": "problem",
    "Subspace": "subspace",
    "Verdict": "verdict",
    "estimate_point_spread": "degradation.estimation",
    "fuse": "fused",
    "judge_guide": "degradation.acceptance",
    "subspace_of": "subspace",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

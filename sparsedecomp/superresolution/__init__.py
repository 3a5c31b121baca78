"""Multi-frame super-resolution: several coarse, shifted maps make one fine map.

Everything here works on plain arrays. Frames are (n_frames, rows, columns, factors),
maps (rows, columns, factors); lengths are in pixels of the frames or of the fine grid,
as each function says. The face to HyperSpy is `sparsedecomp.super_resolve`.
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "Factors": "factors",
    "FineMap": "multiframe",
    "FrameOperator": "operators",
    "Geometry": "geometry",
    "Plan": "planner",
    "Process": "gaussian_process",
    "Registration": "registration",
    "correlate": "correlation",
    "factors_of": "factors",
    "fit_process": "gaussian_process",
    "interpolate": "interpolation",
    "plan_shifts": "planner",
    "posterior": "kriging",
    "register": "registration",
    "resolve": "multiframe",
    "tikhonov": "variational",
    "total_variation": "variational",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

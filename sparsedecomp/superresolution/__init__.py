"""Multi-frame super-resolution: several coarse, shifted maps make one fine map.

Everything here works on plain arrays. Frames are (n_frames, rows, columns, factors),
maps (rows, columns, factors); lengths are in pixels of the frames or of the fine grid,
as each function says. The face to HyperSpy is `sparsedecomp.super_resolve`.
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "CompoundField": "compound_field",
    "Denoised": "denoising",
    "Factors": "factors",
    "FineMap": "multiframe",
    "FrameOperator": "operators",
    "Geometry": "geometry",
    "Plan": "planner",
    "Process": "gaussian_process",
    "Registration": "registration",
    "Resolution": "resolution",
    "Tuning": "tuning",
    "Warps": "warps",
    "compound_mrf": "compound_field",
    "correlate": "correlation",
    "cosine_dictionary": "dictionaries",
    "decorrelation_resolution": "decorrelation",
    "edge_resolution": "edges",
    "edge_width": "edges",
    "estimate_noise": "denoising",
    "factors_of": "factors",
    "fit_process": "gaussian_process",
    "image_dictionary": "training",
    "interpolate": "interpolation",
    "ksvd_denoise": "denoising",
    "learn_dictionary": "dictionaries",
    "match_scores": "sparse_coding",
    "plan_shifts": "planner",
    "posterior": "kriging",
    "register": "registration",
    "resolve": "multiframe",
    "ring_resolution": "ring_correlation",
    "sparse_codes": "dictionaries",
    "sparse_map": "sparse_coding",
    "sparse_register": "warps",
    "super_resolve_single": "single_frame",
    "thin": "ring_correlation",
    "tikhonov": "variational",
    "total_variation": "variational",
    "training_images": "training",
    "tune": "tuning",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

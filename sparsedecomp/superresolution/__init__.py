"""Multi-frame super-resolution: several coarse, shifted maps make one fine map.

Everything here works on plain arrays. Frames are (n_frames, rows, columns, factors),
maps (rows, columns, factors); lengths are in pixels of the frames or of the fine grid,
as each function says. The face to HyperSpy is `sparsedecomp.super_resolve`.

factors           a cube of spectra as a few maps with even noise
observation       what a scan sees of a fine map, and what its shifts can tell
gaussian_process  samples as draws of a process: evidence and posterior
dictionaries      patches of images as few atoms
solvers           the fine map behind the frames, by one model or another
registration      where the frames lie
multiframe        all of it together: `resolve`
resolution        how fine a map is
tuning            hyper-parameters by few trials
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "CompoundField": "solvers.compound_field",
    "Denoised": "dictionaries.denoising",
    "Factors": "factors",
    "FineMap": "fine_map",
    "FrameOperator": "observation.operators",
    "METHODS": "methods",
    "Geometry": "observation.geometry",
    "Plan": "observation.planner",
    "Process": "gaussian_process.evidence",
    "Registration": "registration.result",
    "Resolution": "resolution.result",
    "Tuning": "tuning.tune",
    "Warps": "registration.warps",
    "compound_mrf": "solvers.compound_field",
    "correlate": "registration.correlation",
    "cosine_dictionary": "dictionaries.learning",
    "decorrelation_resolution": "resolution.decorrelation",
    "edge_resolution": "resolution.edges",
    "edge_width": "resolution.edges",
    "estimate_noise": "dictionaries.denoising",
    "factors_of": "factors",
    "fit_process": "gaussian_process.evidence",
    "image_dictionary": "dictionaries.training",
    "interpolate": "solvers.interpolation",
    "ksvd_denoise": "dictionaries.denoising",
    "learn_dictionary": "dictionaries.learning",
    "match_scores": "solvers.sparse_coding",
    "oriented_posterior": "gaussian_process.oriented",
    "plan_shifts": "observation.planner",
    "posterior": "gaussian_process.kriging",
    "register": "registration.shifts",
    "resolve": "multiframe",
    "ring_resolution": "resolution.ring_correlation",
    "sparse_codes": "dictionaries.learning",
    "sparse_map": "solvers.sparse_coding",
    "sparse_register": "registration.warps",
    "super_resolve_single": "dictionaries.single_frame",
    "thin": "resolution.ring_correlation",
    "tikhonov": "solvers.variational",
    "total_variation": "solvers.variational",
    "training_images": "dictionaries.training",
    "tune": "tuning.tune",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

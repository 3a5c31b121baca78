"""Restoration: noise and blur removed from spectrum images, spectra; gaps filled.

Everything here works on plain arrays; the face to HyperSpy is ``s.denoise()``,
``s.inpaint(mask)`` and ``s.deblur(zero_loss=...)``. Maps have the shape (rows, columns,
factors).

subspace   the few spectra of which all pixels are mixtures, and their maps
priors     what maps look like: flat, repeating, sparse
methods    the table of them
selection  which of them predicts the counts held out best
denoising  all of it together
inpainters, held_out_pixels, inpainting  the same for maps with gaps
completion single entries that are missing, from the few spectra
deconvolution, deblurring  spectra without the blur of the zero-loss peak
point_spread, sharpening  maps without the blur of a point spread
sparsity   how few coefficients of which basis carry data
pixons     pixons of a size that fits each place, for images and spectra
certificate  where intensities were changed by more than noise
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "Approximation": "sparsity",
    "Choice": "selection",
    "DEBLURRERS": "methods",
    "Deconvolution": "deconvolution",
    "DenoisedMaps": "denoising",
    "INPAINTERS": "methods",
    "Deviations": "certificate",
    "METHODS": "methods",
    "best_coefficients": "sparsity",
    "certify": "certificate",
    "deblur_cube": "deblurring",
    "deconvolve": "deconvolution",
    "denoise_cube": "denoising",
    "denoise_map": "denoising",
    "Pixon": "pixons",
    "inclusion_recovery": "certificate",
    "inpaint_cube": "inpainting",
    "inpaint_map": "inpainting",
    "kernel_of": "deconvolution",
    "pixon": "pixons",
    "richardson_lucy": "deconvolution",
    "SHARPENERS": "methods",
    "sharpen_cube": "sharpening",
    "sharpen_map": "sharpening",
    "single_scattering": "deconvolution",
    "sparsity_of": "sparsity",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

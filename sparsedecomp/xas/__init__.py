"""X-ray absorption: from mu(E) to chi(k) and to the shells around the absorber.

Everything here works on plain arrays: spectra are rows, energies are in eV,
wavenumbers in 1/angstrom, distances in angstrom. The signals of HyperSpy that use it
are in `sparsedecomp.signals`.
"""

# Name -> module of this package; imported when first used.
_PUBLIC = {
    "ArrayBasis": "linear_bases",
    "Background": "background",
    "Debye": "debye",
    "ETOK": "units",
    "FeffBasis": "feff_basis",
    "FeffError": "feff_run",
    "FeffPath": "feff_path",
    "FourierBasis": "linear_bases",
    "Normalisation": "normalisation",
    "ShellPrior": "shell_model",
    "SparseEXAFS": "sparse_fit",
    "absorption": "counts",
    "absorption_variance": "counts",
    "applied": "grids",
    "autobk": "background",
    "cauchy_wavelet": "wavelet",
    "chi_noise": "noise",
    "basis_evidence": "evidence",
    "common_k_max": "background",
    "debye_sigma2": "debye",
    "e0_of": "edges",
    "edge_energy": "edge_energies",
    "find_e0": "edges",
    "find_glitches": "deglitch",
    "increasing": "grids",
    "mu_noise": "noise",
    "photon_energy": "units",
    "read_feff_path": "feff_path",
    "rebin_matrix": "rebin",
    "replace_points": "deglitch",
    "shifted": "alignment",
    "shifts_to": "alignment",
    "site_evidence": "sites",
    "site_probabilities": "sites",
    "three_regions": "rebin",
    "transform_matrix": "fourier",
    "wavenumber": "units",
    "window": "fourier",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

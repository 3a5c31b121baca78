"""X-ray absorption: from mu(E) to chi(k) and to the shells around the absorber.

Everything here works on plain arrays whose last axis is that of the spectra. Energies
are in eV, wavenumbers in 1/angstrom, distances in angstrom. The HyperSpy signals that
use it are in `sparsedecomp.signals`.
"""

from __future__ import annotations

from typing import Any

from sparsedecomp.deprecation import warn_deprecated

# Public name -> module of this package, imported when the name is first used.
_PUBLIC = {
    "ArrayBasis": "theory.linear_bases",
    "Background": "reduction.background",
    "Debye": "theory.debye",
    "ETOK": "units",
    "FeffBasis": "theory.feff_basis",
    "FeffError": "theory.feff_run",
    "FeffPath": "theory.feff_path",
    "LinearCombination": "mixtures.linear_combination",
    "FourierBasis": "theory.linear_bases",
    "Normalisation": "reduction.normalisation",
    "ShellPrior": "shells.model",
    "SparseEXAFS": "shells.sparse_fit",
    "AutobkResult": "reduction.autobk",
    "absorption": "reduction.counts",
    "absorption_variance": "reduction.counts",
    "applied": "grids",
    "autobk": "reduction.autobk",
    "background_matrices": "reduction.background",
    "cauchy_wavelet": "transform.wavelet",
    "check_scan": "reduction.scan_checks",
    "chi_noise": "reduction.noise",
    "basis_evidence": "shells.evidence",
    "common_kmax": "reduction.background",
    "debye_sigma2": "theory.debye",
    "e0_of": "reduction.edges",
    "edge_energy": "reduction.edge_energies",
    "estimate_s02": "shells.standard",
    "find_e0": "reduction.edges",
    "find_glitches": "reduction.deglitch",
    "increasing": "grids",
    "MergedScans": "reduction.merge",
    "merge_scans": "reduction.merge",
    "mu_noise": "reduction.noise",
    "photon_energy": "units",
    "PrincipalComponents": "mixtures.target_transform",
    "principal_components": "mixtures.target_transform",
    "TargetTest": "mixtures.target_transform",
    "target_test": "mixtures.target_transform",
    "RankedSet": "mixtures.ranking",
    "rank_references": "mixtures.ranking",
    "read_feff_path": "theory.feff_path",
    "rebin_matrix": "reduction.rebin",
    "replace_points": "reduction.deglitch",
    "shifted": "reduction.alignment",
    "shifts_to": "reduction.alignment",
    "site_evidence": "shells.sites",
    "site_probabilities": "shells.sites",
    "three_regions": "reduction.rebin",
    "transform_matrix": "transform.fourier",
    "wavenumber": "units",
    "window": "transform.fourier",
}

__all__ = list(_PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name == "common_k_max":
        warn_deprecated("common_k_max", "common_kmax")
        name = "common_kmax"
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

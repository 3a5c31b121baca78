"""HyperSpy signals of X-ray absorption, mu(E), chi(k), chi(R), N(R), and EXAFS fits.

HyperSpy finds them through ``hyperspy_extension.yaml``: ``signal_type`` "XAS" (also
"XAFS", "XANES" and "NEXAFS"), "EXAFS", "EXAFS_R" and "RDF", each eager and lazy.
"""

from __future__ import annotations

from typing import Any

# Public name -> module of this package. HyperSpy is imported with the first of them.
_PUBLIC = {
    "EXAFSRSpectrum": "exafs_r",
    "EXAFSSpectrum": "exafs",
    "LazyEXAFSRSpectrum": "exafs_r",
    "LazyEXAFSSpectrum": "exafs",
    "LazyRDFSpectrum": "rdf",
    "LazyXASSpectrum": "xas",
    "MixtureResult": "mixture_result",
    "RDFSpectrum": "rdf",
    "SparseEXAFSResult": "exafs_result",
    "TargetTransformResult": "target_transform_result",
    "XASSpectrum": "xas",
    "exafs_sparse_fit": "exafs_fit",
}

__all__ = list(_PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

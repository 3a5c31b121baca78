"""HyperSpy signals of X-ray absorption: mu(E), chi(k), chi(R) and shells.

HyperSpy finds them through ``hyperspy_extension.yaml``: ``signal_type`` "XAS" (also
"XAFS", "XANES" and "NEXAFS"), "EXAFS", "EXAFS_R" and "RDF", each eager and lazy.
"""

# Class -> module of this package; HyperSpy is imported when one is first used.
_PUBLIC = {
    "EXAFSRSpectrum": "exafs_r",
    "EXAFSSpectrum": "exafs",
    "LazyEXAFSRSpectrum": "exafs_r",
    "LazyEXAFSSpectrum": "exafs",
    "LazyRDFSpectrum": "rdf",
    "LazyXASSpectrum": "xas",
    "RDFSpectrum": "rdf",
    "XASSpectrum": "xas",
}

__all__ = list(_PUBLIC)


def __dir__():
    return sorted(__all__)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)

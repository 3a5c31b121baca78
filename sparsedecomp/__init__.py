"""Sparse models of spectroscopic datacubes, inside HyperSpy.

After ``import hyperspy.api as hs`` the algorithms of this package are choices of
``signal.decomposition(algorithm=...)``: HyperSpy imports its extensions, and
importing this one registers them. Everything also works without that, as plain
functions and scikit-learn style estimators::

    sparsedecomp.decompose(signal, "nmf_so_ard")      # any HyperSpy signal
    sparsedecomp.AutomaticUnmixing().fit_transform(X) # any array, dask array or CSR

The names below are imported when they are first used, so that the import of HyperSpy
stays fast.
"""

from __future__ import annotations

import logging as _logging
from typing import Any as _Any

__version__ = "0.1.0.dev0"

# Public name -> module, or "module:attribute".
_PUBLIC = {
    "CPD": "sparsedecomp.decomposition:CPD",
    "PARAFAC2": "sparsedecomp.decomposition:PARAFAC2",
    "TensorResults": "sparsedecomp.extension.tensor_results:TensorResults",
    "Tucker": "sparsedecomp.decomposition:Tucker",
    "coupled_decomposition": "sparsedecomp.extension.coupled:coupled_decomposition",
    "CompositionKMeans": "sparsedecomp.decomposition:CompositionKMeans",
    "AutomaticUnmixing": "sparsedecomp.decomposition:AutomaticUnmixing",
    "MCRALS": "sparsedecomp.decomposition:MCRALS",
    "MinimumVolume": "sparsedecomp.decomposition:MinimumVolume",
    "NMFSO": "sparsedecomp.decomposition:NMFSO",
    "NMFSOARD": "sparsedecomp.decomposition:NMFSOARD",
    "PoissonNMF": "sparsedecomp.decomposition:PoissonNMF",
    "PoissonNMFARD": "sparsedecomp.decomposition:PoissonNMFARD",
    "PottsMixture": "sparsedecomp.decomposition:PottsMixture",
    "SSSVCA": "sparsedecomp.decomposition:SSSVCA",
    "SimplexML": "sparsedecomp.decomposition:SimplexML",
    "VCA": "sparsedecomp.decomposition:VCA",
    "abundances": "sparsedecomp.decomposition:abundances",
    "as_blocks": "sparsedecomp.blocks:as_blocks",
    "decompose": "sparsedecomp.extension.driver:decompose",
    "estimate_rank": "sparsedecomp.decomposition:estimate_rank",
    "plan_shifts": "sparsedecomp.superresolution:plan_shifts",
    "super_resolve": "sparsedecomp.extension.super_resolution:super_resolve",
    "enable": "sparsedecomp._registration:enable",
    "status": "sparsedecomp._registration:status",
    "batch": "sparsedecomp.batch",
    "blocks": "sparsedecomp.blocks",
    "datasets": "sparsedecomp.datasets",
    "decomposition": "sparsedecomp.decomposition",
    "fusion": "sparsedecomp.fusion",
    "gui": "sparsedecomp.gui",
    "metrics": "sparsedecomp.metrics",
    "noise": "sparsedecomp.noise",
    "plotting": "sparsedecomp.plotting",
    "restoration": "sparsedecomp.restoration",
    "signals": "sparsedecomp.signals",
    "superresolution": "sparsedecomp.superresolution",
    "xas": "sparsedecomp.xas",
}

__all__ = ["__version__", *_PUBLIC]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> _Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _PUBLIC[name].partition(":")
    value = import_module(module)
    return getattr(value, attribute) if attribute else value


# HyperSpy imports this package during its own import: an error here must not become
# an error of `import hyperspy`.
try:
    from . import _registration

    _registration.install()
except Exception:
    _logging.getLogger(__name__).exception(
        "sparsedecomp could not register with HyperSpy and stays inactive; "
        "HyperSpy itself is not affected."
    )

"""Which methods `resolve` knows by name, and what each of them needs.

Adding a method takes a function in a module of `solvers` and one entry of
:data:`METHODS`. The functions are imported when they are first used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sparsedecomp.superresolution.method_table import Entry, MethodTable

_SOLVERS = "sparsedecomp.superresolution.solvers."
_PROCESSES = "sparsedecomp.superresolution.gaussian_process."
# Upper bound on the iterations of a solver unless the user gives another. A solver that
# reaches it warns; a larger one takes longer there and nowhere else.
_MAX_ITER = 300


@dataclass(frozen=True, kw_only=True)
class Method(Entry):
    """One way to make a fine map.

    A method that takes the parameter ``psf`` deconvolves; the map of any other one is
    the specimen as the spot sees it.

    Attributes
    ----------
    kind : {"solver", "posterior", "direct", "choice"}
        How the function is called. A "solver" is ``function(A, Y, start=, callback=,
        **parameters)`` with a `FrameOperator`, frames in units of their noise and a
        first map; it returns a record with the map ``x`` and the ``history`` of its
        iterations. A "posterior" is ``function(geometry, Y, processes, mask, at)`` and
        returns a map, its standard deviation and, where ``at`` is given, the samples
        that it predicts there. "direct" is ``function(geometry, Y, mask)`` and returns
        a map. A "choice" has no function: it takes another method.
    select : str
        ``"module:function"`` that finds parameters by the samples held out:
        ``function(trial, **parameters)`` with a `Trial` returns all parameters and
        the samples that they predict. Not needed by a method whose parameters have
        defaults.
    in_auto : bool
        Whether ``method="auto"`` tries it.
    """

    kind: Literal["solver", "posterior", "direct", "choice"] = "solver"
    select: str = ""
    in_auto: bool = False


METHODS = MethodTable(
    Method(
        name="auto",
        kind="choice",
        target="",
        summary="whichever of the quick methods, or of a mixture of "
        '"gaussian_process" and "vtv", predicts the samples held out best',
        parameters={"psf": 0.0, "max_iter": _MAX_ITER},
    ),
    Method(
        name="gaussian_process",
        kind="posterior",
        target=_PROCESSES + "kriging:posterior",
        summary="posterior mean of one Gaussian process",
        in_auto=True,
    ),
    Method(
        name="vtv",
        target=_SOLVERS + "variational:total_variation",
        select=_SOLVERS + "variational:select_vtv_weight",
        summary="vector total variation",
        parameters={"psf": 0.0, "weight": None, "max_iter": _MAX_ITER},
        in_auto=True,
    ),
    Method(
        name="oriented_process",
        kind="posterior",
        target=_PROCESSES + "oriented:oriented_posterior",
        summary="posterior mean of Gaussian processes whose strength and direction "
        "differ from place to place",
        in_auto=True,
    ),
    Method(
        name="tikhonov",
        target=_SOLVERS + "variational:tikhonov",
        select=_SOLVERS + "variational:select_tikhonov_weight",
        summary="squares of the gradient as the penalty",
        parameters={"psf": 0.0, "weight": None, "max_iter": _MAX_ITER},
    ),
    Method(
        name="sparse",
        target=_SOLVERS + "sparse_coding:sparse_map",
        select=_SOLVERS + "sparse_coding:select_penalty",
        summary="sparse codes of patches over a dictionary; slow",
        parameters={
            "psf": 0.0,
            "weight": None,
            "pull": None,
            "dictionary": None,
            "max_iter": _MAX_ITER,
        },
    ),
    Method(
        name="bayes_cmrf",
        target=_SOLVERS + "compound_field:compound_mrf",
        select=_SOLVERS + "compound_field:select_order",
        summary="compound Markov random field, whose bonds between pixels are cut "
        "by lines; slow, for plateaus with sharp edges",
        parameters={"psf": 0.0, "order": None, "max_iter": _MAX_ITER},
        renamed={"weight": "order"},
    ),
    Method(
        name="interpolation",
        kind="direct",
        target=_SOLVERS + "interpolation:interpolate",
        summary="cubics on the triangles of all samples, the baseline without a "
        "model of noise",
    ),
)

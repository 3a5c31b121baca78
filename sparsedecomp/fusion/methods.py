"""Which methods `fuse` knows by name, and what each of them needs.

Adding a method takes a function in a module of `solvers` and one entry of
:data:`METHODS`. The functions are imported when they are first used.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparsedecomp.superresolution.method_table import Entry, MethodTable

_SOLVERS = "sparsedecomp.fusion.solvers."


@dataclass(frozen=True, kw_only=True)
class FusionMethod(Entry):
    """One way to make a sharp cube: ``function(problem, **parameters)``.

    It gets a `Problem` and returns a `Solution`.

    Attributes
    ----------
    guided : bool
        Whether the method uses the guide for more than its grid.
    """

    guided: bool = True


METHODS = MethodTable(
    FusionMethod(
        name="auto",
        target="",
        summary="the guided process where the guide passes the test against placebos, "
        "else the spatial process",
    ),
    FusionMethod(
        name="guided_process",
        target=_SOLVERS + "process:guided_process",
        summary="Gaussian processes whose covariance knows the guide",
    ),
    FusionMethod(
        name="spatial_process",
        target=_SOLVERS + "process:spatial_process",
        summary="Gaussian processes of place alone: the best answer without a guide",
        guided=False,
    ),
    FusionMethod(
        name="total_variation",
        target=_SOLVERS + "variational:total_variation",
        summary="vector total variation of the coefficients (HySure)",
        parameters={"weight": 0.05, "max_iter": 60},
    ),
    FusionMethod(
        name="regression",
        target=_SOLVERS + "interpolation:regression",
        summary="linear regression on the guide, whose details are injected",
    ),
    FusionMethod(
        name="interpolation",
        target=_SOLVERS + "interpolation:interpolation",
        summary="cubic splines through the coefficients, the baseline",
        guided=False,
    ),
)

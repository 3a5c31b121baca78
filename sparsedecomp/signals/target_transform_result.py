"""Result of a target transform: principal components and tests of references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sparsedecomp import xas
from sparsedecomp.results import Result, Table, drawn_by
from sparsedecomp.xas.mixtures.target_transform import PrincipalComponents, TargetTest

GRADES = ((1.5, "excellent"), (3.0, "good"), (4.5, "fair"), (6.0, "acceptable"))
"""Largest SPOIL of each grade, after Malinowski."""

LISTED = 8
"""Number of principal components that a printed result lists."""


class TargetTransformResult(Result):
    """Principal components of a series, and how well they describe references.

    Parameters
    ----------
    energy : numpy.ndarray of shape (n_E,)
        Energies in eV that were used.
    components : PrincipalComponents
        Components of the series.
    targets : dict of str to numpy.ndarray of shape (n_E,)
        References by name.

    Attributes
    ----------
    names : list of str
        Names of the references.
    energy, components, targets
        As given.
    tests : dict of str to TargetTest
        Target transform, R factor, SPOIL and reduced chi-square of each reference.
    """

    plot = drawn_by("plot_target_transform")

    def __init__(
        self,
        energy: np.ndarray,
        components: PrincipalComponents,
        targets: Mapping[str, np.ndarray],
    ) -> None:
        self.names = list(targets)
        self.energy, self.components = energy, components
        self.targets = dict(targets)
        self.tests: dict[str, TargetTest] = {
            name: xas.target_test(components, target)
            for name, target in targets.items()
        }

    @property
    def n_components(self) -> int:
        """Number of principal components in use."""
        return len(self.components.components)

    @property
    def summary(self) -> str:
        """The result in one line."""
        likely = [name for name in self.names if _grade(self.tests[name].spoil)]
        return (
            f"{self.n_components} principal components; they describe "
            f"{', '.join(likely) or 'no reference'} of {len(self.names)} references"
        )

    def _details(self) -> Iterator[str | Table]:
        found = self.components
        yield (
            f"{len(self.energy)} energies from {self.energy[0]:g} to "
            f"{self.energy[-1]:g} eV; noise of the series {found.real_error:.3g}."
        )
        power = found.singular_values**2
        share = np.cumsum(power) / power.sum()
        yield [
            ["component", "singular value", "cumulative", "IND"],
            *(
                [
                    f"{number + 1}",
                    f"{found.singular_values[number]:.4g}",
                    f"{share[number]:.5f}",
                    f"{found.indicator[number]:.3g}",
                ]
                for number in range(min(LISTED, len(found.indicator)))
            ),
        ]
        yield [
            ["reference", "SPOIL", "grade", "reduced chi2", "R factor"],
            *(
                [
                    name,
                    f"{test.spoil:.2f}",
                    _grade(test.spoil) or "no component",
                    f"{test.reduced_chi2:.2f}",
                    f"{test.r_factor:.3g}",
                ]
                for name, test in self.tests.items()
            ),
        ]


def _grade(spoil: float) -> str:
    return next((grade for limit, grade in GRADES if spoil < limit), "")

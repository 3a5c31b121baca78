"""Result of `sparsedecomp.status()`."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from .. import __version__
from .algorithms import ALGORITHMS


@dataclass(frozen=True)
class Status:
    """State of the registration with HyperSpy.

    Attributes
    ----------
    version, hyperspy_version : str
        Installed versions; "not installed" where HyperSpy is missing.
    opted_out : bool
        Whether ``SPARSEDECOMP_NO_HOOKS`` switches the registration off.
    classes : tuple of str
        HyperSpy classes whose ``decomposition`` has the algorithms of this package.
    algorithms : tuple of str
        Names for ``decomposition(algorithm=...)``.
    methods : tuple of str
        Methods added to HyperSpy's classes.
    problems : tuple of str
        Descriptions of what failed.
    """

    version: str
    hyperspy_version: str
    opted_out: bool
    classes: tuple[str, ...]
    algorithms: tuple[str, ...]
    methods: tuple[str, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, **registered: Any) -> Status:
        """Add versions and algorithms to the record of the registration.

        Parameters
        ----------
        **registered : object
            Fields ``opted_out``, ``classes``, ``methods`` and ``problems``.

        Returns
        -------
        Status
            Complete record.
        """
        try:
            hyperspy_version = importlib.metadata.version("hyperspy")
        except importlib.metadata.PackageNotFoundError:
            hyperspy_version = "not installed"
        return cls(
            version=__version__,
            hyperspy_version=hyperspy_version,
            algorithms=tuple(ALGORITHMS),
            **registered,
        )

    @property
    def active(self) -> bool:
        """Whether ``signal.decomposition`` has the algorithms of this package."""
        return bool(self.classes)

    def __str__(self):
        if self.active:
            state = "registered"
        elif self.opted_out:
            state = "switched off by SPARSEDECOMP_NO_HOOKS; call sparsedecomp.enable()"
        else:
            state = "waiting for HyperSpy to be imported; or call sparsedecomp.enable()"
        lines = {
            f"sparsedecomp {self.version} with HyperSpy {self.hyperspy_version}": state,
            "decomposition of": self.classes,
            "algorithms": self.algorithms,
            "methods": self.methods,
            "problems": self.problems,
        }
        return "\n".join(
            f"{key}: {value if isinstance(value, str) else ', '.join(value) or 'none'}"
            for key, value in lines.items()
        )

    __repr__ = __str__

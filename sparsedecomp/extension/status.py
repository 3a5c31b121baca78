"""What `sparsedecomp.status()` answers."""

import importlib.metadata
from dataclasses import dataclass

from .. import __version__
from .algorithms import ALGORITHMS


@dataclass(frozen=True)
class Status:
    """What is registered with HyperSpy, and what is not and why.

    Attributes
    ----------
    version, hyperspy_version : str
        Installed versions; ``"not installed"`` for a HyperSpy that is not there.
    opted_out : bool
        Whether ``SPARSEDECOMP_NO_HOOKS`` switches the registration off.
    classes : tuple of str
        HyperSpy classes whose ``decomposition`` knows our algorithms.
    algorithms : tuple of str
        Names for ``decomposition(algorithm=...)``.
    methods : tuple of str
        Methods added to HyperSpy's classes.
    problems : tuple of str
        What failed.
    """

    version: str
    hyperspy_version: str
    opted_out: bool
    classes: tuple
    algorithms: tuple
    methods: tuple
    problems: tuple

    @classmethod
    def of(cls, **registered):
        """Add versions and algorithms to what the registration knows.

        Parameters
        ----------
        **registered : object
            ``opted_out``, ``classes``, ``methods`` and ``problems``.

        Returns
        -------
        Status
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
    def active(self):
        """Whether ``signal.decomposition`` knows our algorithms."""
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

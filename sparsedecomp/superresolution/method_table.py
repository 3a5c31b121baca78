"""Entries of the tables of methods, and the check of the parameters given to one."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from sparsedecomp.deprecation import warn_deprecated


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One choice of ``method=...`` and the function behind it.

    Attributes
    ----------
    name : str
        What the user types.
    target : str
        ``"module:function"``, imported when it is first used.
    summary : str
        One line for documentation and messages.
    parameters : dict of str to object
        Parameters that the user may give, with their defaults. None stands for a
        value that the method finds by itself.
    renamed : dict of str to str
        Old names of parameters, which are accepted with a deprecation warning.
    """

    name: str
    target: str
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """Import the function and return it."""
        return load(self.target)


AnyEntry = TypeVar("AnyEntry", bound=Entry)


def load(target: str) -> Callable[..., Any]:
    """Import what ``"module:name"`` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class MethodTable(dict[str, AnyEntry]):
    """Methods by their names; printed, a line about each.

    Parameters
    ----------
    *entries : Entry
        The methods.
    """

    def __init__(self, *entries: AnyEntry) -> None:
        super().__init__({entry.name: entry for entry in entries})

    def __repr__(self) -> str:
        width = max(map(len, self)) + 2
        return "\n".join(f"{e.name:<{width}s}{e.summary}" for e in self.values())

    def find(self, name: str) -> AnyEntry:
        """Entry of a method.

        Parameters
        ----------
        name : str
            Name of the method.

        Returns
        -------
        Entry

        Raises
        ------
        ValueError
            Lists all methods where there is none of that name.
        """
        if name not in self:
            known = ", ".join(map(repr, self))
            raise ValueError(f"method={name!r} is unknown, expected one of {known}.")
        return self[name]

    def complete(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters of a method: those given, and the defaults of the others.

        Parameters
        ----------
        name : str
            The method that was asked for.
        given : dict of str to object
            Parameters as the user gave them. One that is None is not passed on unless
            None differs from its default.

        Returns
        -------
        dict of str to object

        Raises
        ------
        ValueError
            For an unknown method, and a parameter that only other methods take.
        TypeError
            For a parameter that no method takes.
        """
        entry = self.find(name)
        values = dict(entry.parameters)
        for key, value in given.items():
            if value is None and values.get(key) is None:
                continue
            if key in entry.renamed:
                new = entry.renamed[key]
                warn_deprecated(f"{key} of method={name!r}", new, stacklevel=4)
                key = new
            if key not in values:
                raise self._refusal(entry, key, value)
            values[key] = value
        return values

    def _refusal(self, entry: Entry, key: str, value: object) -> Exception:
        takes = ", ".join(entry.parameters) or "no parameters"
        message = (
            f"method={entry.name!r} does not take {key}={reprlib.repr(value)}, it "
            f"takes {takes}."
        )
        others = [each.name for each in self.values() if key in each.parameters]
        if others:
            return ValueError(f"{message} Methods with {key!r}: {', '.join(others)}.")
        close = difflib.get_close_matches(key, entry.parameters, n=1)
        return TypeError(message + (f" Did you mean {close[0]!r}?" if close else ""))

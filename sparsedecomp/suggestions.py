"""Names that are accepted, and what a misspelt one most probably means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Suggest the known name that is most similar to a misspelt one.

    Parameters
    ----------
    name : object
        What was given. Case, and hyphens or spaces for underscores, do not matter.
    known : iterable of str
        Names that are accepted.

    Returns
    -------
    str
        ``" Did you mean 'x'?"``, beginning with a space so that it can be appended to
        a sentence; empty if no name is similar.

    Examples
    --------
    >>> from sparsedecomp.suggestions import did_you_mean
    >>> did_you_mean("nfm-so", ["nmf_so", "vca"])
    " Did you mean 'nmf_so'?"
    >>> did_you_mean("median", ["nmf_so", "vca"])
    ''
    """
    by_spelling = {_spelling(each): each for each in known}
    close = difflib.get_close_matches(_spelling(str(name)), by_spelling, n=1)
    return f" Did you mean {by_spelling[close[0]]!r}?" if close else ""


def check_choice(name: str, value: object, known: Iterable[Any]) -> None:
    """Refuse the value of a parameter that is none of its choices.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        Its value.
    known : iterable
        Values that are accepted.

    Raises
    ------
    ValueError
        Lists the values that are accepted.

    Examples
    --------
    >>> from sparsedecomp.suggestions import check_choice
    >>> check_choice("window", "han", ["hann", "flat"])
    Traceback (most recent call last):
    ValueError: window='han', expected one of 'hann', 'flat'. Did you mean 'hann'?
    """
    known = list(known)
    if value not in known:
        names = [each for each in known if isinstance(each, str)]
        raise ValueError(
            f"{name}={value!r}, expected one of {', '.join(map(repr, known))}."
            + did_you_mean(value, names)
        )


def _spelling(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")

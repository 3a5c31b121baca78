"""The choice that a misspelt name most probably means, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def _spelling(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")

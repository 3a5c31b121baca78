"""Parser of literals that Perl's Data::Dumper writes; no code is executed."""

from __future__ import annotations

import re
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:
        '(?P<single>(?:[^'\\]|\\.)*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<arrow>=>)
      | (?P<mark>[][(){},;])
    )""",
    re.VERBOSE | re.DOTALL,
)

MAX_DEPTH = 50
"""Deepest nesting of lists. Those of Athena have four levels; Python's calls end at a
thousand."""

MAX_DIGITS = 15
"""Integers of more digits become floating-point numbers."""

CLOSING = {"(": ")", "[": "]", "{": "}"}

UNICODE = re.compile(r"\\x\{([0-9a-fA-F]{1,6})\}")


def parse(text: str) -> Any:
    """Value of a Perl literal.

    Parameters
    ----------
    text : str
        Literal such as ``('a', 1, ['b'])``, ``{'key' => undef}`` or
        ``bless( {...}, 'Class' )``.

    Returns
    -------
    list, dict, str, float, int or None
        Python object of the same value; objects become their contents.

    Raises
    ------
    ValueError
        If the text is not such a literal, or ends too soon.
    """
    value, _ = _value(text, 0, 0)
    return value


def _next(text: str, place: int) -> tuple[str, str, int]:
    """Kind and text of the token at a place, and where the next one begins."""
    match = TOKEN.match(text, place)
    if match is None:
        shown = text[place : place + 30].strip()
        found = f"{shown!r} was not understood" if shown else "the text ends too soon"
        raise ValueError(found)
    return match.lastgroup, match[match.lastgroup], match.end()


def _value(text: str, place: int, depth: int) -> tuple[Any, int]:
    kind, token, place = _next(text, place)
    if depth > MAX_DEPTH:
        raise ValueError(f"lists are nested in more than {MAX_DEPTH} others")
    if kind in ("single", "double"):
        return _string(kind, token), place
    if kind == "number":
        if len(token) > MAX_DIGITS or re.search(r"[.eE]", token):
            return float(token), place
        return int(token), place
    if kind == "word" and token == "undef":
        return None, place
    if kind == "word" and token == "bless":
        items, place = _sequence(text, _next(text, place)[2], ")", depth + 1)
        if not items:
            raise ValueError("bless() holds no value")
        return items[0], place
    if kind == "mark" and token in CLOSING:
        items, place = _sequence(text, place, CLOSING[token], depth + 1)
        return (dictionary(items) if token == "{" else items), place
    raise ValueError(f"{token!r} is not a value")


def dictionary(items: list[Any]) -> dict[str, Any]:
    """Dictionary of alternating keys and values.

    Parameters
    ----------
    items : list
        Key, value, key, value and so on; a last key without value is left out.

    Returns
    -------
    dict of str to object
        The dictionary.

    Raises
    ------
    ValueError
        If a key is a list or a dictionary.
    """
    found = {}
    for key, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(key, (list, dict)):
            raise ValueError("a list is the key of a value")
        found[str(key)] = value
    return found


def _sequence(text: str, place: int, closing: str, depth: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while True:
        kind, token, after = _next(text, place)
        if kind == "mark" and token == closing:
            return items, after
        if kind == "arrow" or token == ",":
            place = after
            continue
        item, place = _value(text, place, depth)
        items.append(item)


def _string(kind: str, token: str) -> str:
    if kind == "double":
        token = UNICODE.sub(lambda match: _character(int(match[1], 16)), token)
        token = token.replace(r"\n", "\n").replace(r"\t", "\t")
    return re.sub(r"\\(.)", r"\1", token)


def _character(code: int) -> str:
    return chr(code) if code <= 0x10FFFF else "\ufffd"

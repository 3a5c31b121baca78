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

CLOSING = {"(": ")", "[": "]", "{": "}"}

UNICODE = re.compile(r"\\x\{([0-9a-fA-F]+)\}")


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
    value, _ = _value(text, 0)
    return value


def _next(text: str, place: int) -> tuple[str, str, int]:
    """Kind and text of the token at a place, and where the next one begins."""
    match = TOKEN.match(text, place)
    if match is None:
        shown = text[place : place + 30].strip()
        found = f"{shown!r} was not understood" if shown else "the text ends too soon"
        raise ValueError(found)
    return match.lastgroup, match[match.lastgroup], match.end()


def _value(text: str, place: int) -> tuple[Any, int]:
    kind, token, place = _next(text, place)
    if kind in ("single", "double"):
        return _string(kind, token), place
    if kind == "number":
        return (float(token) if re.search(r"[.eE]", token) else int(token)), place
    if kind == "word" and token == "undef":
        return None, place
    if kind == "word" and token == "bless":
        (value, *_), place = _sequence(text, _next(text, place)[2], ")")
        return value, place
    if kind == "mark" and token in CLOSING:
        items, place = _sequence(text, place, CLOSING[token])
        if token == "{":
            return dict(zip(items[::2], items[1::2], strict=False)), place
        return items, place
    raise ValueError(f"{token!r} is not a value")


def _sequence(text: str, place: int, closing: str) -> tuple[list[Any], int]:
    items: list[Any] = []
    while True:
        kind, token, after = _next(text, place)
        if kind == "mark" and token == closing:
            return items, after
        if kind == "arrow" or token == ",":
            place = after
            continue
        item, place = _value(text, place)
        items.append(item)


def _string(kind: str, token: str) -> str:
    if kind == "double":
        token = UNICODE.sub(lambda match: chr(int(match[1], 16)), token)
        token = token.replace(r"\n", "\n").replace(r"\t", "\t")
    return re.sub(r"\\(.)", r"\1", token)

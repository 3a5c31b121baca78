"""Arithmetic on named columns, such as ``ln(I0 / I1)`` or ``sum(Fe_Ka_mca*) / I0``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

import numpy as np

MAX_LENGTH = 2000
"""Longest expression in characters: Python's parser nests as deep as a text is long."""

TOKEN = re.compile(
    r"""\s*(?:
        `(?P<quoted>[^`]+)`
      | \$(?P<column>[0-9]{1,4})
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))
      | (?P<word>[^\W0-9][\w.:]*|[0-9]+[^\W0-9][\w.:]*)
      | (?P<mark>\*\*|[-+*/^(),])
    )""",
    re.VERBOSE,
)
SUM = re.compile(r"\bsum\(\s*`?([^()`]*[*?][^()`]*?)`?\s*\)")

FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "ln": np.log,
    "log": np.log,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
OPERATORS: dict[type, Callable[..., np.ndarray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
}


def evaluate(expression: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Compute a combination of columns.

    Parameters
    ----------
    expression : str
        Labels of columns (in backticks if they contain blanks or signs) or ``$3`` for
        the third column, numbers, ``+ - * / ^``, parentheses, and the functions
        ``ln`` (also called ``log``), ``log10``, ``exp``, ``sqrt``, ``abs`` and
        ``sum(pattern*)``, the sum of all columns whose labels fit a pattern. Small
        and capital letters are the same.
    columns : dict of str to numpy.ndarray
        Columns of the file, in their order.

    Returns
    -------
    numpy.ndarray
        Values; NaN where they are not defined, as the logarithm of no counts.

    Raises
    ------
    ValueError
        If the expression is not understood, or names no column of the file.

    Examples
    --------
    >>> import numpy as np
    >>> from rsciio_sparse._expressions import evaluate
    >>> columns = {"I0": np.array([4.0, 9.0]), "fl 1": np.array([2.0, 3.0])}
    >>> evaluate("`fl 1` / i0", columns).round(3).tolist()
    [0.5, 0.333]
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"an expression of {len(expression)} characters is too long")
    values: dict[str, np.ndarray] = {}

    def named(array: np.ndarray) -> str:
        name = f"_{len(values)}"
        values[name] = np.asarray(array, dtype=float)
        return name

    def summed(match: re.Match) -> str:
        pattern = match[1].strip().lower()
        fit = [v for label, v in columns.items() if fnmatchcase(label.lower(), pattern)]
        if not fit:
            raise ValueError(f"no column fits {match[1]!r}; {_available(columns)}")
        sums.append(np.sum(fit, axis=0))
        return f"(`{len(sums) - 1}`)".replace("`", "`\0", 1)

    sums: list[np.ndarray] = []
    text, python, place = SUM.sub(summed, expression).rstrip(), [], 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"{text[place : place + 20]!r} was not understood")
        place, kind, word = token.end(), token.lastgroup, token[token.lastgroup or 0]
        if kind == "quoted" and word.startswith("\0"):
            python.append(named(sums[int(word[1:])]))
        elif kind == "column":
            python.append(named(_by_number(int(word), columns)))
        elif kind == "quoted" or (
            kind == "word" and not _is_call(word, text[place:], columns)
        ):
            python.append(named(_by_label(word, columns)))
        else:
            python.append("**" if word == "^" else word.lower())
    try:
        tree = ast.parse(" ".join(python), mode="eval")
        with np.errstate(all="ignore"):
            result = np.asarray(_value(tree.body, values), dtype=float)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"{expression!r} was not understood") from None
    if result.ndim != 1:
        raise ValueError(f"{expression!r} contains no column; {_available(columns)}")
    return np.where(np.isfinite(result), result, np.nan)


def _is_call(word: str, rest: str, columns: Mapping[str, np.ndarray]) -> bool:
    return word.lower() in FUNCTIONS and rest.lstrip().startswith("(")


def _by_number(number: int, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    if not 1 <= number <= len(columns):
        raise ValueError(f"there is no column ${number}; {_available(columns)}")
    return list(columns.values())[number - 1]


def _by_label(label: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    if label in columns:
        return columns[label]
    fit = [name for name in columns if name.lower() == label.lower()]
    if len(fit) != 1:
        found = f"{len(fit)} columns are" if fit else "no column is"
        raise ValueError(f"{found} called {label!r}; {_available(columns)}")
    return columns[fit[0]]


def _available(columns: Mapping[str, np.ndarray]) -> str:
    return f"there are: {', '.join(columns)}"


def _value(node: ast.AST, values: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return np.asarray(float(node.value))
    if isinstance(node, ast.Name) and node.id in values:
        return values[node.id]
    if isinstance(node, (ast.BinOp, ast.UnaryOp)) and type(node.op) in OPERATORS:
        sides = (
            [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
        )
        return OPERATORS[type(node.op)](*(_value(side, values) for side in sides))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        function = FUNCTIONS.get(node.func.id)
        if function is not None and len(node.args) == 1 and not node.keywords:
            return function(_value(node.args[0], values))
    raise SyntaxError

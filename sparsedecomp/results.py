"""Results that people keep: how they are shown, drawn, pickled and saved."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsedecomp import result_files
from sparsedecomp.cache import replacing

Table = list[list[str]]
_Own = TypeVar("_Own", bound="Result")

# A repr is one line of a console.
_WIDTH = 100


class AxisScale(NamedTuple):
    """Name, units and positions of an axis, for the figures of a result.

    Attributes
    ----------
    name, units : str
        Name, and units if there are any.
    axis : (size,) array
        Positions of the pixels or channels.
    scale : float
        Width of a pixel, for an axis of one.
    """

    name: str
    units: str
    axis: NDArray
    scale: float = 1.0

    @classmethod
    def of(cls, axis: Any, chosen: Any = slice(None)) -> AxisScale:
        """Take over an axis of a HyperSpy signal.

        Parameters
        ----------
        axis : hyperspy axis
            Axis of a signal.
        chosen : slice or int array, optional
            Positions to keep; default: all.

        Returns
        -------
        AxisScale
            Name, units and positions.
        """
        name, units = (v if isinstance(v, str) else "" for v in (axis.name, axis.units))
        scale = float(getattr(axis, "scale", 1.0))
        return cls(name, units, np.asarray(axis.axis, float)[chosen], scale)

    @property
    def size(self) -> int:
        """Number of positions."""
        return len(self.axis)


class Result:
    """Base class of results: one line as repr, text when printed, HTML in notebooks.

    A subclass has the property `summary` and, for what is printed below it,
    ``_details``. All attributes are pickled, and written to files by `save`.
    """

    @property
    def summary(self) -> str:
        """The result in one line."""
        raise NotImplementedError

    def _details(self) -> Iterable[str | Table]:
        """Paragraphs and tables, whose first rows are headings, below the summary."""
        return ()

    def __repr__(self) -> str:
        line = " ".join(self.summary.split()).rstrip(".")
        room = _WIDTH - len(type(self).__name__) - 4
        line = line if len(line) <= room else f"{line[: room - 3]}..."
        return f"<{type(self).__name__}: {line}>"

    def __str__(self) -> str:
        parts = [self.summary, *(part for part in self._details() if part)]
        # Tables are set apart by an empty line.
        return "\n".join(map(_text_of, parts)).replace("\n\n\n", "\n\n").rstrip()

    def _repr_html_(self) -> str:
        parts = [part for part in self._details() if part]
        summary = f"<p><b>{html.escape(self.summary)}</b></p>"
        return summary + "".join(map(_html_of, parts))

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one HDF5 file, completely or not at all.

        Parameters
        ----------
        path : str or Path
            Name of the file; ``.h5`` is added if it has no extension.
        overwrite : bool, default False
            Whether an existing file is replaced.

        Returns
        -------
        Path
            Name of the written file.

        Raises
        ------
        FileExistsError
            If the file exists and `overwrite` is False.
        """
        path = Path(path)
        path = path if path.suffix else path.with_name(f"{path.name}.h5")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; give overwrite=True to replace it.")
        content, arrays = result_files.encode(self)
        size = len(content) + sum(array.nbytes for array in arrays)
        with replacing(path, size) as temporary:
            result_files.write(temporary, type(self).__name__, content, arrays)
        return path

    def to_bytes(self) -> bytes:
        """Content of the file that `save` would write.

        Returns
        -------
        bytes
            An HDF5 file.
        """
        content, arrays = result_files.encode(self)
        file = BytesIO()
        result_files.write(file, type(self).__name__, content, arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls: type[_Own], content: bytes) -> _Own:
        """Make the result again of which `to_bytes` gave the content.

        Parameters
        ----------
        content : bytes
            An HDF5 file.

        Returns
        -------
        Result
            The result.
        """
        return cls._read(BytesIO(content), "The record")

    @classmethod
    def load(cls: type[_Own], path: str | Path) -> _Own:
        """Read a file that `save` has written.

        Parameters
        ----------
        path : str or Path
            Name of the file.

        Returns
        -------
        Result
            The result that was saved; what was lazy is in memory.

        Raises
        ------
        ValueError
            If the file holds no result of sparsedecomp, that of a later version, or
            one of another kind.
        """
        return cls._read(path, path)

    @classmethod
    def _read(cls: type[_Own], source: Any, name: str | Path) -> _Own:
        kind, found = result_files.read(source, name)
        if not isinstance(found, cls):
            raise ValueError(
                f"{name} holds a {kind}, expected a {cls.__name__}: read it with "
                f"{kind}.load."
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: result_files.described(value) for name, value in vars(self).items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Dataclasses that are frozen have no other way to set a field.
        vars(self).update(
            {name: result_files.restored(value) for name, value in state.items()}
        )

    def _saved(self) -> dict[str, Any]:
        """Attributes that are written to a file."""
        return vars(self)


def drawn_by(function: str) -> Callable[..., Any]:
    """Make the method ``plot`` of a result.

    Parameters
    ----------
    function : str
        Name of a function of `sparsedecomp.plotting` whose first parameter is the
        result.

    Returns
    -------
    callable
        Method that passes all its arguments on and returns what the function returns.
    """

    def plot(self: Any, *args: Any, **options: Any) -> Any:
        import sparsedecomp

        return getattr(sparsedecomp.plotting, function)(self, *args, **options)

    plot.__doc__ = f"""Draw the result, as `sparsedecomp.plotting.{function}` does.

        Parameters
        ----------
        *args, **options : object
            Further arguments of that function, such as the axes to draw in.

        Returns
        -------
        matplotlib.axes.Axes, or an array or a dict of them
            Axes of the figure.
        """
    return plot


def _text_of(part: str | Table) -> str:
    """A paragraph, or a table with aligned columns: texts left, numbers right."""
    if isinstance(part, str):
        return part
    columns = list(zip(*part, strict=True))
    widths = [max(map(len, column)) for column in columns]
    left = [not any(_is_number(cell) for cell in column[1:]) for column in columns]
    lines = [
        "  "
        + "  ".join(
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        )
        for row in part
    ]
    return "\n".join(["", *(line.rstrip() for line in lines), ""])


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:1] in "+-" and cell[1:2].isdigit()


def _html_of(part: str | Table) -> str:
    if isinstance(part, str):
        return f"<p>{html.escape(part)}</p>"
    heading, *rows = part

    def row(tag: str, cells: list[str]) -> str:
        inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inner}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', heading)}</thead><tbody>{body}</tbody></table>"

"""Results that people keep: how they are shown, pickled, written to files and read."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.cache import replacing

Table = list[list[str]]
_Own = TypeVar("_Own", bound="Result")

# Version of the files, to be increased when their layout changes.
_FORMAT = 1
_ATTRIBUTE = "sparsedecomp_result"
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
        arrays: list[Any] = []
        content = json.dumps(_encoded(self, arrays))
        size = len(content) + sum(array.nbytes for array in arrays)
        with replacing(path, size) as temporary:
            self._write(temporary, content, arrays)
        return path

    def to_bytes(self) -> bytes:
        """Content of the file that `save` would write.

        Returns
        -------
        bytes
            An HDF5 file.
        """
        arrays: list[Any] = []
        content = json.dumps(_encoded(self, arrays))
        file = BytesIO()
        self._write(file, content, arrays)
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

    def _write(self, target: Any, content: str, arrays: list[Any]) -> None:
        import h5py

        from sparsedecomp import __version__

        with h5py.File(target, "w") as file:
            file.attrs[_ATTRIBUTE] = type(self).__name__
            file.attrs["format"], file.attrs["version"] = _FORMAT, __version__
            file["content"] = content
            for number, array in enumerate(arrays):
                stored = file.create_dataset(
                    f"arrays/{number}", array.shape, array.dtype
                )
                _fill(stored, array)

    @classmethod
    def _read(cls: type[_Own], source: Any, path: str | Path) -> _Own:
        import h5py

        with h5py.File(source, "r") as file:
            kind = file.attrs.get(_ATTRIBUTE)
            if kind is None:
                raise ValueError(
                    f"{path} is no result of sparsedecomp. Signals are read by hs.load."
                )
            if file.attrs["format"] > _FORMAT:
                raise ValueError(
                    f"{path} was written by sparsedecomp {file.attrs['version']}, "
                    "whose files this version cannot read: install a newer one."
                )
            arrays = [
                file[f"arrays/{number}"][()]
                for number in range(len(file.get("arrays", ())))
            ]
            found = _decoded(json.loads(file["content"].asstr()[()]), arrays)
        if not isinstance(found, cls):
            raise ValueError(
                f"{path} holds a {kind}, expected a {cls.__name__}: read it with "
                f"{kind}.load."
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: _described(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Dataclasses that are frozen have no other way to set a field.
        vars(self).update({name: _restored(value) for name, value in state.items()})

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


class _Signal(dict):
    """A signal as the dictionary from which HyperSpy makes it again.

    HyperSpy's signals hold generators and events, which `pickle` refuses.
    """


def _described(value: Any) -> Any:
    if isinstance(value, list):
        return [_described(each) for each in value]
    if hasattr(value, "axes_manager"):
        return _Signal(value._to_dictionary())
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(each) for each in value]
    if isinstance(value, _Signal):
        from hyperspy.io import dict2signal

        return dict2signal(dict(value))
    return value


def _encoded(value: Any, arrays: list[Any]) -> Any:
    """A value as JSON can hold it; arrays are appended to a list and numbered.

    What belongs to no file, as functions and generators of random numbers, is None.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value

    def each(values: Iterable[Any]) -> list[Any]:
        return [_encoded(one, arrays) for one in values]

    def pairs(mapping: dict[Any, Any]) -> list[Any]:
        return each(list(pair) for pair in mapping.items())

    if isinstance(value, list):
        return each(value)
    if hasattr(value, "dask") or isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind in "US":
            return {"text": np.asarray(value).tolist()}
        if value.dtype.kind == "O":
            return {"objects": each(value.ravel()), "shape": list(value.shape)}
        known = [number for number, other in enumerate(arrays) if other is value]
        arrays.extend([] if known else [value])
        return {"array": known[0] if known else len(arrays) - 1}
    if hasattr(value, "axes_manager"):
        described = value._to_dictionary(add_learning_results=False)
        return {"signal": pairs(described)}
    if isinstance(value, slice):
        return {"slice": each([value.start, value.stop, value.step])}
    if isinstance(value, dict):
        return {"dict": pairs(value)}
    kind = type(value)
    if kind.__module__.partition(".")[0] == __package__:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(value, tuple):
            return {"tuple": each(value), "class": name}
        state = value._saved() if isinstance(value, Result) else vars(value)
        return {"object": pairs(state), "class": name}
    if isinstance(value, tuple):
        return {"tuple": each(value)}
    return {"undefined": True} if kind.__name__ == "_Undefined" else None


def _decoded(value: Any, arrays: list[Any]) -> Any:
    """The value that `_encoded` was given."""
    if isinstance(value, list):
        return [_decoded(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    (kind, content), *more = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "undefined":
        from traits.api import Undefined  # type: ignore[attr-defined]

        return Undefined
    if kind == "text":
        return np.array(content)[()]
    content = [_decoded(each, arrays) for each in content]
    if kind == "objects":
        found = np.empty(len(content), object)
        found[:] = content
        return found.reshape(more[0][1])
    if kind == "slice":
        return slice(*content)
    if kind == "tuple":
        return _class_named(more[0][1])(*content) if more else tuple(content)
    by_name = dict(content)
    if kind == "dict":
        return by_name
    if kind == "signal":
        # What was lazy has been computed.
        by_name["attributes"] = {**by_name["attributes"], "_lazy": False}
        return _restored(_Signal(by_name))
    made = object.__new__(_class_named(more[0][1]))
    vars(made).update(by_name)
    return made


def _class_named(name: str) -> Any:
    """A class of this package: files may name no other."""
    module, _, path = name.partition(":")
    if module.partition(".")[0] != __package__:
        raise ValueError(f"The file names the class {name}, which is none of ours.")
    try:
        return getattr(import_module(module), path)
    except (ImportError, AttributeError):
        raise ValueError(
            f"The file holds a {path} of another version of sparsedecomp ({module}), "
            "which this version does not have."
        ) from None


def _fill(dataset: Any, array: Any) -> None:
    """Write an array into a dataset, a dask array block by block."""
    if not hasattr(array, "dask"):
        dataset[()] = array
        return
    from dask.array.core import slices_from_chunks

    places = slices_from_chunks(array.chunks)
    for place, block in zip(places, array.blocks.ravel(), strict=True):
        dataset[place] = block.compute()

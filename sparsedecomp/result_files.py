"""Results as HDF5 files: a description in JSON, and the arrays beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# Version of the files, to be increased when their layout changes.
_FORMAT = 1
_ATTRIBUTE = "sparsedecomp_result"


def encode(result: Any) -> tuple[str, list[Any]]:
    """Describe a result in JSON, without its arrays.

    Parameters
    ----------
    result : sparsedecomp.results.Result
        The result.

    Returns
    -------
    content : str
        Description in JSON, which names arrays by their numbers.
    arrays : list of array
        NumPy or dask arrays.
    """
    arrays: list[Any] = []
    return json.dumps(_encoded(result, arrays)), arrays


def write(target: Any, kind: str, content: str, arrays: list[Any]) -> None:
    """Write what `encode` returned to an HDF5 file.

    Parameters
    ----------
    target : str, Path or file-like
        Where the file goes.
    kind : str
        Name of the class of the result.
    content : str
        Description in JSON.
    arrays : list of array
        The arrays; those of dask are written block by block.
    """
    import h5py

    from sparsedecomp import __version__

    with h5py.File(target, "w") as file:
        file.attrs[_ATTRIBUTE] = kind
        file.attrs["format"], file.attrs["version"] = _FORMAT, __version__
        file["content"] = content
        for number, array in enumerate(arrays):
            stored = file.create_dataset(f"arrays/{number}", array.shape, array.dtype)
            _fill(stored, array)


def read(source: Any, name: str | Path) -> tuple[str, Any]:
    """Read a file that `write` made.

    Parameters
    ----------
    source : str, Path or file-like
        The file.
    name : str or Path
        What errors call the file.

    Returns
    -------
    kind : str
        Name of the class of the result.
    result : sparsedecomp.results.Result
        The result, in memory.

    Raises
    ------
    ValueError
        If the file holds no result of sparsedecomp, or that of a later version.
    """
    import h5py

    with h5py.File(source, "r") as file:
        kind = file.attrs.get(_ATTRIBUTE)
        if kind is None:
            raise ValueError(
                f"{name} is no result of sparsedecomp. Signals are read by hs.load."
            )
        if file.attrs["format"] > _FORMAT:
            raise ValueError(
                f"{name} was written by sparsedecomp {file.attrs['version']}, "
                "whose files this version cannot read: install a newer one."
            )
        arrays = [
            file[f"arrays/{number}"][()]
            for number in range(len(file.get("arrays", ())))
        ]
        return kind, _decoded(json.loads(file["content"].asstr()[()]), arrays)


class _Signal(dict):
    """A signal as the dictionary from which HyperSpy makes it again.

    HyperSpy's signals hold generators and events, which `pickle` refuses.
    """


def described(value: Any) -> Any:
    """A value as `pickle` can hold it.

    Parameters
    ----------
    value : object
        Value of an attribute of a result.

    Returns
    -------
    object
        The same, signals of HyperSpy as dictionaries.
    """
    if isinstance(value, list):
        return [described(each) for each in value]
    if hasattr(value, "axes_manager"):
        return _Signal(value._to_dictionary())
    return value


def restored(value: Any) -> Any:
    """The value that `described` was given.

    Parameters
    ----------
    value : object
        What `described` returned.

    Returns
    -------
    object
        The value, with signals of HyperSpy.
    """
    if isinstance(value, list):
        return [restored(each) for each in value]
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
        state = value._saved() if hasattr(value, "_saved") else vars(value)
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
        return restored(_Signal(by_name))
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

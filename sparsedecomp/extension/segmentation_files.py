"""Files of the phases that `segment_composition` found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .segmentation import METHODS, Segmentation, estimator_class
from .tensor_results import axes_of, file_to_write, plain_value, signal_of
from .types import BaseSignal

# Version of the files, to be increased when their layout changes.
_FORMAT = 1
_SIGNALS = ("labels", "probabilities", "mean_spectra")
_PREFIX = "estimator_"


def write(result: Segmentation, path: str | Path, overwrite: bool) -> Path:
    """Write the phases to a ``.npz`` file, see `Segmentation.save`.

    Parameters
    ----------
    result : Segmentation
        Phases.
    path : str or Path
        Name of the file.
    overwrite : bool
        Whether an existing file is replaced.

    Returns
    -------
    Path
        Name of the written file.
    """
    path = file_to_write(path, overwrite)
    signals = {
        name: signal
        for name in _SIGNALS
        if (signal := getattr(result, name)) is not None
    }
    estimator = result.estimator
    fitted = {k: v for k, v in vars(estimator).items() if k.endswith("_")}
    arrays = {k: v for k, v in fitted.items() if isinstance(v, np.ndarray)}
    about = {
        "format": _FORMAT,
        "names": result.names,
        "signals": {
            name: [axes_of(signal), signal.metadata.as_dictionary()]
            for name, signal in signals.items()
        },
        "method": next(m for m in METHODS if estimator_class(m) is type(estimator)),
        "parameters": estimator.get_params(),
        # JSON has texts only as keys: dictionaries are written as lists of pairs.
        "fitted": [
            [k, isinstance(v, dict), list(v.items()) if isinstance(v, dict) else v]
            for k, v in fitted.items()
            if k not in arrays
        ],
    }
    data: dict[str, Any] = {k: np.asarray(v.data) for k, v in signals.items()}
    data |= {f"{_PREFIX}{name}": value for name, value in arrays.items()}
    with open(path, "wb") as file:
        np.savez(
            file,
            about=json.dumps(about, default=plain_value),
            sizes=result.sizes,
            counts=result.counts,
            **data,
        )
    return path


def read(path: str | Path) -> Segmentation:
    """Read the phases from a file, see `Segmentation.load`.

    Parameters
    ----------
    path : str or Path
        Name of the file.

    Returns
    -------
    Segmentation
        Phases.
    """
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        estimator = estimator_class(about["method"])(**about["parameters"])
        for name, is_dictionary, value in about["fitted"]:
            if is_dictionary:
                # JSON has no tuples either: scores with errors are pairs.
                value = {k: tuple(v) if isinstance(v, list) else v for k, v in value}
            setattr(estimator, name, value)
        for name in file.files:
            if name.startswith(_PREFIX):
                setattr(estimator, name.removeprefix(_PREFIX), file[name])
        signals: dict[str, BaseSignal | Any] = {
            name: signal_of(file[name], *about["signals"][name])
            if name in about["signals"]
            else None
            for name in _SIGNALS
        }
        return Segmentation(
            **signals,
            sizes=file["sizes"],
            names=tuple(about["names"]),
            counts=file["counts"],
            estimator=estimator,
        )

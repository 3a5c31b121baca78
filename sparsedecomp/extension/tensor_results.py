"""A tensor decomposition as HyperSpy signals: one for each mode, calibrated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .portable import Portable
from .types import BaseSignal

# Version of the files, to be increased when their layout changes.
_FORMAT = 1


@dataclass
class TensorResults(Portable):
    """Result of ``s.tensor_decomposition``.

    Attributes
    ----------
    algorithm : str
        Name of the algorithm.
    names : tuple of str
        Names of the modes, the channels last.
    factors : list of hyperspy signals
        One for each mode: the component as navigation axis, the axes of the mode as
        signal axes. Spectra have the class and the metadata of the signal. Masked
        channels and pixels without data are NaN.
    weights : (k,) array
        Norms of the components, in the units of the data. Factors have unit norm.
    core : (r_1, ..., r_M) array
        Core between the factors; for "cpd" the weights on its superdiagonal.
    loadings : (*navigation, k) array
        Weights times all factors but the spectra, in array order.
    fit : float
        Explained part of the sum of squares of the (weighted) data, in per cent.
    core_consistency : float
        Core consistency in per cent; NaN where it is not defined.
    congruence : float
        Mean congruence of the best start with the next best: 1 for the same model.
    diagnostics : dict
        Numbers and arrays of the estimator.
    evolving : hyperspy signal or None
        Spectra of every step of the series, for "parafac2": components and steps as
        navigation axes. `spectra` is their mean over the steps, of unit norm.
    """

    algorithm: str
    names: tuple[str, ...]
    factors: list[BaseSignal]
    weights: np.ndarray
    core: np.ndarray
    loadings: np.ndarray
    fit: float
    core_consistency: float
    congruence: float
    diagnostics: dict[str, Any] = field(default_factory=dict)
    evolving: BaseSignal | None = None

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name} {'x'.join(map(str, f.axes_manager.signal_shape))}"
            for name, f in zip(self.names, self.factors, strict=True)
        )
        return (
            f"<TensorResults of '{self.algorithm}', {len(self.weights)} components: "
            f"{sizes}; fit {self.fit:.2f} %, core consistency "
            f"{self.core_consistency:.1f} %, congruence of starts "
            f"{self.congruence:.3f}>"
        )

    def __getitem__(self, name: str) -> BaseSignal:
        """Return the factor of a mode by its name."""
        if name not in self.names:
            raise KeyError(f"There is no mode {name!r}, but {', '.join(self.names)}.")
        return self.factors[self.names.index(name)]

    @property
    def spectra(self) -> BaseSignal:
        """Factor of the channels, with the metadata of the data."""
        return self.factors[-1]

    def get_model(
        self, components: int | Sequence[int] | None = None, lazy: bool = False
    ) -> BaseSignal:
        """Compute the model of the data.

        Parameters
        ----------
        components : int or sequence of int, optional
            Number of leading components, or the indices of components. Default: all.
        lazy : bool, default False
            Return a lazy signal, whose blocks are computed when they are needed.

        Returns
        -------
        hyperspy.api.signals.BaseSignal
            Model with the class and the axes of the data.
        """
        spectra = self.spectra
        chosen: Any = components
        if components is None or np.isscalar(components):
            chosen = slice(components)
        W = self.loadings[..., chosen]
        shape = spectra.data.shape[1:]
        axes = [*self._navigation, *axes_of(spectra)[1:]]
        # One set of spectra for all positions, or one for each along the series.
        series, evolving = 0, spectra.data[None]
        if self.evolving is not None:
            series = self.diagnostics["series"]
            evolving = np.moveaxis(self.evolving.data, 1, 0)
        S = evolving.reshape(*evolving.shape[:2], -1)[:, chosen].astype(W.dtype)
        W = np.moveaxis(W, series, 0)
        if lazy:
            import dask.array as da

            chunks = self._chunks(W.shape, S)
            W = da.from_array(W, chunks=chunks)
            steps = chunks[0] if len(S) > 1 else 1
            S = da.from_array(S, chunks=(steps, -1, -1))
            places = tuple(range(W.ndim))
            data = da.blockwise(
                _model_block,
                (*places[:-1], len(places)),
                W,
                places,
                S,
                (0, places[-1], len(places)),
                concatenate=True,
                dtype=W.dtype,
            )
        else:
            data = _model_block(W, S)
        data = data.reshape(*data.shape[:-1], *shape)
        data = np.moveaxis(data, 0, series)
        model = signal_of(data, axes, spectra.metadata.as_dictionary())
        model.metadata.General.title = f"Model by {self.algorithm}"
        return model.as_lazy() if lazy else model

    @property
    def _navigation(self) -> list[dict]:
        return self.diagnostics["navigation_axes"]

    @staticmethod
    def _chunks(shape: tuple[int, ...], S: np.ndarray) -> tuple:
        import dask.array as da

        # The chunks of the model are those of the data: small against the memory of a
        # worker, large against the overhead of a task.
        size = (*shape[:-1], S.shape[-1])
        chunks = da.core.normalize_chunks(
            ("auto",) * (len(size) - 1) + (-1,), size, limit="32MiB", dtype=S.dtype
        )
        return (*chunks[:-1], (shape[-1],))

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one ``.npz`` file.

        Parameters
        ----------
        path : str or Path
            Name of the file. ``.npz`` is added if it has no extension.
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
        path = file_to_write(path, overwrite)
        numbers: dict[str, Any] = {}
        words: dict[str, Any] = {}
        for name, value in self.diagnostics.items():
            if isinstance(value, np.ndarray):
                numbers[name] = value
            else:
                words[name] = value
        signals = [
            *self.factors,
            *([self.evolving] if self.evolving is not None else []),
        ]
        about = {
            "format": _FORMAT,
            "algorithm": self.algorithm,
            "names": self.names,
            "axes": [axes_of(f) for f in signals],
            "metadata": [f.metadata.as_dictionary() for f in signals],
            "diagnostics": words,
        }
        arrays: dict[str, Any] = {f"factor_{m}": f.data for m, f in enumerate(signals)}
        with open(path, "wb") as file:
            np.savez(
                file,
                about=json.dumps(about, default=plain_value),
                weights=self.weights,
                core=self.core,
                loadings=self.loadings,
                figures=[self.fit, self.core_consistency, self.congruence],
                **arrays,
                **{f"diagnostic_{name}": value for name, value in numbers.items()},
            )
        return path

    @classmethod
    def load(cls, path: str | Path) -> TensorResults:
        """Read a file that `save` has written.

        Parameters
        ----------
        path : str or Path
            Name of the file.

        Returns
        -------
        TensorResults
            The results that were saved.
        """
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            prefix = "diagnostic_"
            numbers = {
                name.removeprefix(prefix): file[name]
                for name in file.files
                if name.startswith(prefix)
            }
            factors = [
                signal_of(file[f"factor_{m}"], axes, metadata)
                for m, (axes, metadata) in enumerate(
                    zip(about["axes"], about["metadata"], strict=True)
                )
            ]
            n_modes = len(about["names"])
            fit, consistency, congruence = file["figures"]
            return cls(
                about["algorithm"],
                tuple(about["names"]),
                factors[:n_modes],
                file["weights"],
                file["core"],
                file["loadings"],
                float(fit),
                float(consistency),
                float(congruence),
                {**about["diagnostics"], **numbers},
                *factors[n_modes:],
            )


def _model_block(W: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Loadings (steps, ..., k) times spectra (steps or 1, k, channels)."""
    return W @ S.reshape(len(S), *(1,) * (W.ndim - 3), *S.shape[1:])


def file_to_write(path: str | Path, overwrite: bool) -> Path:
    """Name of a ``.npz`` file to be written.

    Parameters
    ----------
    path : str or Path
        Name that was given. ``.npz`` is added if it has another extension or none.
    overwrite : bool
        Whether the file may exist.

    Returns
    -------
    Path
        Name with the extension.

    Raises
    ------
    FileExistsError
        If the file exists and `overwrite` is False.
    """
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; give overwrite=True to replace it.")
    return path


def axes_of(signal: BaseSignal) -> list[dict]:
    """Describe all axes in array order by plain Python objects.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with the axes.

    Returns
    -------
    list of dict
    """
    axes = signal.axes_manager.as_dictionary().values()
    return [json.loads(json.dumps(axis, default=plain_value)) for axis in axes]


def plain_value(value: object) -> Any:
    """Replace a value that JSON does not know: arrays by lists, others by None.

    Parameters
    ----------
    value : object
        Value of any type.

    Returns
    -------
    list, number or None
        Value for JSON.
    """
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return None


def signal_of(data: Any, axes: list[dict], metadata: dict) -> BaseSignal:
    """Signal of the class that belongs to its metadata and axes.

    Parameters
    ----------
    data : array
        NumPy or dask array.
    axes : list of dict
        Description of the axes by `axes_of`.
    metadata : dict
        Metadata of the signal.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Lazy signal for a dask array.
    """
    from hyperspy.api import signals

    axes = [{k: v for k, v in axis.items() if v is not None} for axis in axes]
    signal = signals.BaseSignal(data, axes=axes, metadata=metadata)
    if hasattr(data, "dask"):
        signal = signal.as_lazy()
    signal._assign_subclass()
    return signal

"""A tensor decomposition as HyperSpy signals: one for each mode, calibrated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..results import Result, Table, drawn_by
from .types import BaseSignal


@dataclass(repr=False)
class TensorResults(Result):
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

    plot = drawn_by("plot_tensor")

    @property
    def summary(self) -> str:
        """Algorithm, number of components and fit in one line."""
        return (
            f"'{self.algorithm}', {len(self.weights)} components, fit {self.fit:.2f} %"
        )

    def _details(self) -> Iterator[str | Table]:
        yield [
            ["mode", "size", "components"],
            *(
                [
                    name,
                    " x ".join(map(str, factor.axes_manager.signal_shape)),
                    f"{len(factor.data)}",
                ]
                for name, factor in zip(self.names, self.factors, strict=True)
            ),
        ]
        yield f"Weights: {', '.join(f'{weight:.3g}' for weight in self.weights)}."
        if np.isfinite(self.core_consistency):
            yield f"Core consistency {self.core_consistency:.1f} %."
        if np.isfinite(self.congruence):
            yield f"Congruence of the best two starts {self.congruence:.3f}."

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


def _model_block(W: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Loadings (steps, ..., k) times spectra (steps or 1, k, channels)."""
    return W @ S.reshape(len(S), *(1,) * (W.ndim - 3), *S.shape[1:])


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
    return [json.loads(json.dumps(axis, default=_plain)) for axis in axes]


def _plain(value: object) -> Any:
    """Arrays and their elements as lists and numbers, other values as None."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else None


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

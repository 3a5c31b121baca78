"""A tensor decomposition as HyperSpy signals: one for each mode, calibrated."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

# Version of the files.
_FORMAT = 1


@dataclass
class TensorResults:
    """What ``s.tensor_decomposition`` returns.

    Attributes
    ----------
    algorithm : str
    names : tuple of str
        Of the modes, the channels last.
    factors : list of hyperspy signals
        One for each mode: the component as navigation axis, the axes of the mode as
        signal axes. Spectra have the class and the metadata of the signal; NaN in
        masked channels and in pixels without data.
    weights : (k,) array
        Norms of the components, in the units of the data. Factors have unit norm.
    core : (r_1, ..., r_M) array
        Superdiagonal for "cpd": the weights.
    loadings : (*navigation, k) array
        Weights times all factors but the spectra, in array order.
    fit : float
        Share of the sum of squares that is explained, per cent; of the weighted data
        where there are weights.
    core_consistency : float
        Per cent; NaN where it is not defined.
    congruence : float
        Mean congruence of the best start with the next best: 1 where they agree.
    diagnostics : dict
        Numbers and arrays of the estimator.
    """

    algorithm: str
    names: tuple
    factors: list
    weights: np.ndarray
    core: np.ndarray
    loadings: np.ndarray
    fit: float
    core_consistency: float
    congruence: float
    diagnostics: dict = field(default_factory=dict)

    def __repr__(self):
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

    def __getitem__(self, name):
        """Return the factor of a mode by its name."""
        if name not in self.names:
            raise KeyError(f"There is no mode {name!r}, but {', '.join(self.names)}.")
        return self.factors[self.names.index(name)]

    @property
    def spectra(self):
        """The factor of the channels, with the metadata of the data."""
        return self.factors[-1]

    def get_model(self, components=None, lazy=False):
        """Put the data together again.

        Parameters
        ----------
        components : int or sequence of int, optional
            Number of the leading ones, or which. Default: all.
        lazy : bool, default False
            Make the blocks when they are computed: the model never exists as a whole.

        Returns
        -------
        hyperspy.api.signals.BaseSignal
            Of the class of the data, with their axes.
        """
        spectra = self.spectra
        chosen = slice(components) if np.isscalar(components) else components
        chosen = slice(None) if chosen is None else chosen
        W = self.loadings[..., chosen]
        S = spectra.data.reshape(len(spectra.data), -1)[chosen].astype(W.dtype)
        shape = spectra.data.shape[1:]
        axes = [*self._navigation, *_axes_of(spectra)[1:]]
        if not lazy:
            data = (W @ S).reshape(*W.shape[:-1], *shape)
        else:
            import dask.array as da

            blocks = da.from_array(W, chunks=self._chunks(W.shape, S))
            data = da.map_blocks(
                _model_block,
                blocks,
                S,
                shape,
                dtype=W.dtype,
                drop_axis=W.ndim - 1,
                new_axis=list(range(W.ndim - 1, W.ndim - 1 + len(shape))),
                chunks=(*blocks.chunks[:-1], *((n,) for n in shape)),
            )
        model = _signal(data, axes, spectra.metadata.as_dictionary())
        model.metadata.General.title = f"Model by {self.algorithm}"
        return model.as_lazy() if lazy else model

    @property
    def _navigation(self):
        return self.diagnostics["navigation_axes"]

    @staticmethod
    def _chunks(shape, S):
        import dask.array as da

        # The chunks of the model are those of the data, about 32 MiB.
        size = (*shape[:-1], S.shape[1])
        chunks = da.core.normalize_chunks(
            ("auto",) * (len(size) - 1) + (-1,), size, limit="32MiB", dtype=S.dtype
        )
        return (*chunks[:-1], (shape[-1],))

    def save(self, path, overwrite=False):
        """Write everything to one ``.npz`` file.

        Parameters
        ----------
        path : str or Path
            ``.npz`` is added when it has no extension.
        overwrite : bool, default False

        Returns
        -------
        Path

        Raises
        ------
        FileExistsError
            When the file exists and `overwrite` is not set.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; give overwrite=True to replace it.")
        numbers, words = {}, {}
        for name, value in self.diagnostics.items():
            if isinstance(value, np.ndarray):
                numbers[name] = value
            else:
                words[name] = value
        about = {
            "format": _FORMAT,
            "algorithm": self.algorithm,
            "names": self.names,
            "axes": [_axes_of(f) for f in self.factors],
            "metadata": [f.metadata.as_dictionary() for f in self.factors],
            "diagnostics": words,
        }
        arrays = {f"factor_{m}": f.data for m, f in enumerate(self.factors)}
        with open(path, "wb") as file:
            np.savez(
                file,
                about=json.dumps(about, default=_plain),
                weights=self.weights,
                core=self.core,
                loadings=self.loadings,
                figures=[self.fit, self.core_consistency, self.congruence],
                **arrays,
                **{f"diagnostic_{name}": value for name, value in numbers.items()},
            )
        return path

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        TensorResults
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
                _signal(file[f"factor_{m}"], axes, metadata)
                for m, (axes, metadata) in enumerate(
                    zip(about["axes"], about["metadata"], strict=True)
                )
            ]
            fit, consistency, congruence = file["figures"]
            return cls(
                about["algorithm"],
                tuple(about["names"]),
                factors,
                file["weights"],
                file["core"],
                file["loadings"],
                float(fit),
                float(consistency),
                float(congruence),
                {**about["diagnostics"], **numbers},
            )


def _model_block(W, S, shape):
    return (W @ S).reshape(*W.shape[:-1], *shape)


def _axes_of(signal):
    """Descriptions of all axes in array order, as plain Python."""
    axes = signal.axes_manager.as_dictionary().values()
    return [json.loads(json.dumps(axis, default=_plain)) for axis in axes]


def _plain(value):
    """What JSON cannot say: arrays as lists, the undefined as nothing."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return None


def _signal(data, axes, metadata):
    """Signal of the class that its metadata and axes ask for."""
    from hyperspy.api import signals

    axes = [{k: v for k, v in axis.items() if v is not None} for axis in axes]
    signal = signals.BaseSignal(data, axes=axes, metadata=metadata)
    if hasattr(data, "dask"):
        signal = signal.as_lazy()
    signal._assign_subclass()
    return signal

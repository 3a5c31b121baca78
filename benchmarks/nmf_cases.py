"""What one process of the benchmark ``nmf`` does: one method on one cube.

Every method is a function ``method(cube, n_components, **options) -> Fit`` on a cube of
shape (ny, nx, n_channels), or on a HyperSpy signal where `FROM_FILE` lists it.
"""

import importlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import MIB, Clock, Meter, quickest

# Without soft orthogonality, on even noise and from one start the objective is the
# residual and nothing else, as it is for the peers.
FROBENIUS = {
    "orthogonality": 0.0,
    "noise": "uniform",
    "clipping": False,
    "n_init": 1,
    "tol": 0.0,
}


@dataclass
class Fit:
    """What a method found: maps (n_pixels, k), spectra (k, n_channels)."""

    maps: np.ndarray
    spectra: np.ndarray
    iterations: int | None = None
    passes: int | None = None
    noise_model: str | None = None
    objective: float | None = None


def nmf_so_frobenius(cube, n_components, *, until=None, **options):
    """NMFSO on the residual alone; ``until`` it is below a relative residual."""
    from sparsedecomp.decomposition import NMFSO

    X = _matrix(cube)
    watch = None
    if until is not None:
        norm = np.linalg.norm(X.ravel().astype(float)) / np.sqrt(X.size)

        def watch(progress):
            # The objective is n/2 (log s2 + 1) with the mean square s2 of the residual.
            variance = np.exp(2 * progress.objective / X.size - 1)
            return np.sqrt(variance) <= until * norm

    model = NMFSO(n_components, random_state=0, callback=watch, **FROBENIUS | options)
    return model, lambda: _ours(model, model.fit_transform(X))


def nmf_so(cube, n_components, **options):
    from sparsedecomp.decomposition import NMFSO

    model = NMFSO(n_components, random_state=0, **options)
    return model, lambda: _ours(model, model.fit_transform(_matrix(cube)))

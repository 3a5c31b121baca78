"""The demonstration: decompose a cube and compare the result with the truth."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.extension.learning_results import read

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

    from sparsedecomp.datasets import Truth


@dataclass
class DemoResult:
    """Result of a decomposition, and its errors if the truth is known.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        The decomposed cube.
    seconds : float
        Wall time of the decomposition.
    noise : float
        Standard deviation of the noise as the fit estimates it, in units of the data.
    expected_noise : float or None
        Standard deviation of counts by Poisson statistics; None for other data.
    residual : float
        Frobenius norm of data minus model, relative to that of the data.
    truth : sparsedecomp.datasets.Truth, optional
        Spectra and maps from which the cube was simulated.
    angles : dict of str to float
        Angle in degrees between each true spectrum and the one found for it; empty
        without truth.
    """

    signal: BaseSignal
    seconds: float
    noise: float
    expected_noise: float | None
    residual: float
    truth: Truth | None = None
    angles: dict[str, float] = field(default_factory=dict)

    @property
    def n_components(self) -> int:
        """Number of components kept."""
        return read(self.signal, "output_dimension")


def examine(signal: BaseSignal, random_state: int = 0) -> DemoResult:
    """Decompose a signal by ``nmf_so_ard`` and collect the results.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        A cube in memory; it gets the ``learning_results``.
    random_state : int, default 0
        Seed of the initial factors.

    Returns
    -------
    DemoResult
        Result, with the angles to the truth if the signal carries it.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> from sparsedecomp.demo import examine
    >>> s = datasets.edx_particles(shape=(24, 24), n_channels=256, counts=1000)

    """
    start = time.perf_counter()
    signal.decomposition(
        algorithm="nmf_so_ard",
        # The defaults of exspy for EDX differ, and exspy may not be installed.
        normalize_poissonian_noise=False,
        navigation_mask=None,
        random_state=random_state,
        print_info=False,
        show_progressbar=False,
    )
    seconds = time.perf_counter() - start
    data = signal.data
    counts = np.array_equal(data, np.floor(data))
    result = DemoResult(
        signal,
        seconds,
        noise=float(np.sqrt(read(signal, "noise_variance"))),
        # The variance of a count is its mean.
        expected_noise=float(np.sqrt(data.mean())) if counts else None,
        residual=float(read(signal, "relative_residual")),
    )
    _compare(result)
    return result


def _compare(result: DemoResult) -> None:
    """Add the angles if the cube carries its truth."""
    from sparsedecomp.datasets import truth
    from sparsedecomp.metrics import match_components

    try:
        known = truth(result.signal)
    except ValueError:
        return
    pairs = match_components(known.spectra, read(result.signal, "factors").T)
    result.truth = known
    result.angles = {
        known.names[i]: float(angle) for i, _, angle in zip(*pairs, strict=True)
    }


def draw(results: Sequence[DemoResult], path: str | os.PathLike[str]) -> None:
    """Draw the maps and spectra of decomposed cubes side by side into a file.

    Parameters
    ----------
    results : sequence of DemoResult
        Results, each drawn in a column.
    path : path-like
        Image file; its extension names the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from sparsedecomp.plotting import plot_components

    rows = max(result.n_components for result in results)
    figure = Figure(figsize=(8 * len(results), 1.2 + 1.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    columns: Any = figure.subfigures(1, len(results), wspace=0.03, squeeze=False)[0]
    for column, result in zip(columns, results, strict=True):
        plot_components(result.signal, truth=result.truth, figure=column)
        column.suptitle(result.signal.metadata.General.title, fontweight="bold")
    figure.savefig(path, dpi=120)

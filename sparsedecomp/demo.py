"""The main job shown on one cube: decompose it and compare with what is known."""

import time
from dataclasses import dataclass, field

import numpy as np

from sparsedecomp.extension.learning_results import read


@dataclass
class Finding:
    """What a decomposition found in a cube, beside the truth if there is one.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        The cube, decomposed.
    seconds : float
        Wall time of the decomposition.
    noise : float
        Standard deviation of the noise as the fit estimates it, in units of the data.
    expected_noise : float or None
        The same of counts by Poisson statistics; None for other data.
    residual : float
        Frobenius norm of data minus model, relative to that of the data.
    truth : sparsedecomp.datasets.Truth, optional
        What the cube was simulated from.
    angles : dict of str to float
        Degrees between each true spectrum and the one found for it; empty without
        truth.
    """

    signal: object
    seconds: float
    noise: float
    expected_noise: float | None
    residual: float
    truth: object = None
    angles: dict = field(default_factory=dict)

    @property
    def n_components(self):
        """Number of components kept."""
        return read(self.signal, "output_dimension")


def examine(signal, random_state=0):
    """Decompose a signal by ``nmf_so_ard`` and collect what was found.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        A cube in memory; it gets the ``learning_results``.
    random_state : int, default=0
        Seed of the starts.

    Returns
    -------
    Finding

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> from sparsedecomp.demo import examine
    >>> s = datasets.edx_particles(shape=(24, 24), n_channels=256, counts=1000)
    >>> found = examine(s)
    >>> found.n_components
    3
    """
    start = time.perf_counter()
    signal.decomposition(
        algorithm="nmf_so_ard",
        # exspy's defaults for EDX are others; without it installed the result would
        # not be the same.
        normalize_poissonian_noise=False,
        navigation_mask=None,
        random_state=random_state,
        print_info=False,
        show_progressbar=False,
    )
    seconds = time.perf_counter() - start
    data = signal.data
    counts = np.array_equal(data, np.floor(data))
    finding = Finding(
        signal,
        seconds,
        noise=float(np.sqrt(read(signal, "noise_variance"))),
        # The variance of a count is its mean.
        expected_noise=float(np.sqrt(data.mean())) if counts else None,
        residual=float(read(signal, "relative_residual")),
    )
    _compare(finding)
    return finding


def _compare(finding):
    """Add the angles where the cube carries its truth."""
    from sparsedecomp.datasets import truth
    from sparsedecomp.metrics import match_components

    try:
        known = truth(finding.signal)
    except ValueError:
        return
    pairs = match_components(known.spectra, read(finding.signal, "factors").T)
    finding.truth = known
    finding.angles = {
        known.names[i]: float(angle) for i, _, angle in zip(*pairs, strict=True)
    }


def draw(findings, path):
    """Draw the maps and spectra of decomposed cubes side by side into a file.

    Parameters
    ----------
    findings : sequence of Finding
        One column each.
    path : path-like
        Image file; its extension names the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from sparsedecomp.plotting import plot_components

    rows = max(finding.n_components for finding in findings)
    figure = Figure(figsize=(8 * len(findings), 1.2 + 1.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    columns = np.atleast_1d(figure.subfigures(1, len(findings), wspace=0.03))
    for column, finding in zip(columns, findings, strict=True):
        plot_components(finding.signal, truth=finding.truth, figure=column)
        column.suptitle(finding.signal.metadata.General.title, fontweight="bold")
    figure.savefig(path, dpi=120)

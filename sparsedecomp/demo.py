"""The main job shown on one cube: decompose it and compare with what is known."""

import time
from dataclasses import dataclass, field

import numpy as np


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
        Standard deviation of the noise as the fit estimates it. Of counts it is that
        of the scaled data.
    expected_noise : float or None
        Of counts: what Poisson statistics lets expect, in the same scaling.
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
        return self.signal.learning_results.output_dimension


def examine(signal, random_state=0):
    """Decompose a signal by ``nmf_so_ard`` and collect what was found.

    Data that are whole numbers are taken for counts and scaled for Poisson noise.

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
    counts = bool(np.all(signal.data == np.floor(signal.data)))
    start = time.perf_counter()
    signal.decomposition(
        algorithm="nmf_so_ard",
        normalize_poissonian_noise=counts,
        # EDX signals would leave out what looks like vacuum.
        navigation_mask=None,
        random_state=random_state,
        print_info=False,
        show_progressbar=False,
    )
    seconds = time.perf_counter() - start
    learned = signal.learning_results
    finding = Finding(
        signal,
        seconds,
        noise=float(np.sqrt(learned.noise_variance)),
        expected_noise=_poisson_noise(signal) if counts else None,
        residual=float(learned.relative_residual),
    )
    _compare(finding)
    return finding


def _poisson_noise(signal):
    """Standard deviation of scaled counts: the variance of a count is its mean."""
    from sparsedecomp.blocks import as_blocks

    X = as_blocks(signal.data, signal.axes_manager.signal_dimension).poisson_scaled()
    # X is data / (r c), so that data / (r c)^2 is X / (r c).
    variances = X.matmul(1 / X.column_scale[:, None]) / X.row_scale[:, None]
    return float(np.sqrt(variances.sum() / np.prod(X.shape)))


def _compare(finding):
    """Add the angles where the cube carries its truth."""
    from sparsedecomp.datasets import truth
    from sparsedecomp.metrics import match_components

    try:
        known = truth(finding.signal)
    except ValueError:
        return
    found = finding.signal.learning_results.factors.T
    pairs = match_components(known.spectra, found)
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

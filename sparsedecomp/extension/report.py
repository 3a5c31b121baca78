"""`unmixing_report`: how far the data determine the last decomposition."""

from contextlib import contextmanager
from dataclasses import replace

from . import algorithms, learning_results
from .arguments import estimator_parameters
from .reference_arrays import plain_arrays


def unmixing_report(
    self,
    n_starts=5,
    n_resamples=10,
    tolerance=5.0,
    random_state=None,
    show_progressbar=None,
    **parameters,
):
    """Ask how far the data determine the components of the last decomposition.

    Fits the same model from other starts and to resampled pixels, compares the purest
    pixels with the most contrasted spectra of non-negative mixtures, and looks at what
    the model leaves over. The result prints a verdict and a table and can be plotted.

    Parameters
    ----------
    n_starts, n_resamples : int, default 5 and 10
        Fits with other random states, and to pixels drawn with replacement; they look
        at evenly spread pixels of at most 256 MiB.
    tolerance : float, default 5
        Degrees up to which two spectra are the same answer.
    random_state : int, optional
        Seed of the refits.
    show_progressbar : bool, optional
        Default: HyperSpy's preference.
    **parameters : object
        Parameters of the algorithm other than its defaults: give those that the
        decomposition was made with.

    Returns
    -------
    sparsedecomp.decomposition.UnmixingReport
        ``print(report)`` for the verdict and the table;
        `sparsedecomp.plotting.plot_unmixing_report` draws it.

    Raises
    ------
    RuntimeError
        When there is no decomposition by an algorithm of sparsedecomp yet.

    See Also
    --------
    sparsedecomp.decomposition.unmixing_report : the same for arrays, with what it can
        tell and what it cannot.

    Examples
    --------
    >>> import sparsedecomp
    >>> s = sparsedecomp.datasets.edx_particles(shape=(24, 24), n_channels=512)
    >>> s.decomposition(
    ...     algorithm="nmf_so_ard", random_state=0, print_info=False,
    ...     show_progressbar=False,
    ... )
    >>> report = s.unmixing_report(2, 2, random_state=0, show_progressbar=False)
    >>> report.n_components
    3
    """
    from ..decomposition import unmixing_report as report_on
    from .driver import blocks_of

    algorithm = learning_results.read(self, "decomposition_algorithm")
    choice = algorithms.find(algorithm)
    matrices = learning_results.matrices(self)
    if choice is None or matrices is None:
        raise RuntimeError(
            f"The last decomposition of {self} is {algorithm!r}, "
            "expected one by an algorithm of sparsedecomp: call "
            '`s.decomposition(algorithm="nmf_so_ard")` first.'
        )
    parameters = plain_arrays(self, estimator_parameters(choice, parameters))
    blocks = blocks_of(
        self,
        navigation_mask=learning_results.read(self, "navigation_mask"),
        signal_mask=learning_results.read(self, "signal_mask"),
    )
    factors = matrices[0].astype(float)[blocks.columns]
    loadings = matrices[1].astype(float)[blocks.rows]
    if learning_results.read(self, "poissonian_noise_normalized"):
        blocks = blocks.poisson_scaled()
        factors = factors / blocks.column_scale[:, None]
        loadings = loadings / blocks.row_scale[:, None]
    estimator = choice.load()(n_components=factors.shape[1], **parameters)
    with _counting(show_progressbar, n_starts + n_resamples) as watch:
        report = report_on(
            blocks,
            estimator,
            factors.T,
            loadings,
            n_starts=n_starts,
            n_resamples=n_resamples,
            tolerance=tolerance,
            random_state=random_state,
            watch=watch,
        )
    return replace(report, **_energy_axis(self, blocks.columns))


def _energy_axis(signal, columns):
    """Positions and name of the channels, where there is one signal axis."""
    if signal.axes_manager.signal_dimension != 1:
        return {}
    (axis,) = signal.axes_manager.signal_axes
    name, units = (v if isinstance(v, str) else "" for v in (axis.name, axis.units))
    label = f"{name} ({units})" if units else name
    return {"channels": axis.axis[columns], "channel_label": label}


@contextmanager
def _counting(show, total):
    """A progress bar over fits, for a callback ``watch(done, of)``."""
    from hyperspy.defaults_parser import preferences
    from hyperspy.external.progressbar import progressbar

    if show is None:
        show = preferences.General.show_progressbar
    with progressbar(
        total=total, desc="unmixing_report", unit="fit", disable=not show
    ) as bar:
        yield lambda done, of: bar.update(done - bar.n) and None

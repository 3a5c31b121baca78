"""`unmixing_report`, a check of how far the data determine a decomposition."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import counting_bar
from ..results import AxisScale
from . import algorithms, learning_results
from .arguments import estimator_parameters
from .components import axis_label
from .reference_arrays import plain_arrays
from .types import BaseSignal

if TYPE_CHECKING:
    from ..decomposition import UnmixingReport
    from ..decomposition.identifiability.report import Refit


def unmixing_report(
    self,
    n_starts: int = 5,
    n_resamples: int = 10,
    tolerance: float = 5.0,
    random_state: int | None = None,
    show_progressbar: bool | None = None,
    **parameters: Any,
) -> UnmixingReport:
    """Check how far the data determine the components of the last decomposition.

    The same model is fitted from other initialisations and to resampled pixels. The
    purest pixels are compared with the most contrasted spectra of non-negative
    mixtures, the number of components with that above the noise, the spectra with those
    of other methods, and the residual with noise. The result prints a verdict and a
    table and can be plotted, with the confidence bands of the spectra.

    Parameters
    ----------
    n_starts : int, default 5
        Number of fits from other initialisations. More fits find more of the solutions
        that fit equally well. All refits use evenly spread pixels of at most 256 MiB.
    n_resamples : int, default 10
        Number of fits to pixels drawn with replacement. The relative error of the
        confidence bands falls with its square root.
    tolerance : float, default 5
        Angle in degrees up to which two spectra count as the same. Larger values call
        more components determined.
    random_state : int, optional
        Seed of the refits.
    show_progressbar : bool, optional
        Show a progress bar over the fits. Default: HyperSpy's preference.
    **parameters : object
        Parameters of the algorithm with which the decomposition was made, if they
        differ from its defaults.

    Returns
    -------
    sparsedecomp.decomposition.UnmixingReport
        Verdict and table when printed; `sparsedecomp.plotting.plot_unmixing_report`
        draws it.

    Raises
    ------
    RuntimeError
        If the last decomposition is not by an algorithm of sparsedecomp.

    See Also
    --------
    sparsedecomp.decomposition.unmixing_report : Report for arrays, with what it can
        decide and what it cannot.

    Notes
    -----
    The report can show that a result is not unique, or that the model is incomplete. It
    cannot show that a result is right: a model with a strong prior gives the same wrong
    result in every fit. Spectra and angles are in the units of the data.

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
    from ..decomposition import DoubtfulResultWarning
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
        choice.weighs_counts,
        navigation_mask=learning_results.read(self, "navigation_mask"),
        signal_mask=learning_results.read(self, "signal_mask"),
    )
    factors = matrices[0].astype(float)[blocks.columns]
    loadings = matrices[1].astype(float)[blocks.rows]
    energy = learning_results.energies(loadings, factors)
    if learning_results.read(self, "poissonian_noise_normalized"):
        blocks = blocks.poisson_scaled()
        factors = factors / blocks.column_scale[:, None]
        loadings = loadings / blocks.row_scale[:, None]
    estimator = choice.load()(n_components=factors.shape[1], **parameters)
    bar = counting_bar(
        show_progressbar, "unmixing_report", "fit", n_starts + n_resamples
    )
    with bar as watch, warnings.catch_warnings():
        # Doubts about refits, to fewer pixels, are none about the result.
        warnings.simplefilter("ignore", DoubtfulResultWarning)
        report = report_on(
            blocks,
            estimator,
            factors.T,
            loadings,
            n_starts=n_starts,
            n_resamples=n_resamples,
            tolerance=tolerance,
            random_state=random_state,
            callback=watch,
        )
    if blocks.column_scale is not None:
        report = _in_units_of_data(report, blocks.row_scale, blocks.column_scale)
    pixels = tuple(AxisScale.of(axis) for axis in self.axes_manager.navigation_axes)
    return replace(
        report,
        energy=energy / energy.sum(),
        pixel_axes=pixels,
        **_energy_axis(self, blocks.columns),
    )


def _in_units_of_data(
    report: UnmixingReport, row_scale: np.ndarray, column_scale: np.ndarray
) -> UnmixingReport:
    """Report of a fit to data with Poisson weights, in the units of the data."""
    from ..metrics import spectral_angle

    components = report.components * column_scale

    def refit(fit: Refit) -> Refit:
        spectra = fit.spectra * column_scale
        spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
        return replace(fit, spectra=spectra, angles=spectral_angle(spectra, components))

    residual = report.residual
    spectrum = residual.spectrum * column_scale
    norm = np.linalg.norm(spectrum)
    return replace(
        report,
        components=components,
        starts=[refit(fit) for fit in report.starts],
        resamples=[refit(fit) for fit in report.resamples],
        inner=report.inner * column_scale,
        outer=report.outer * column_scale,
        half_width=None
        if report.half_width is None
        else report.half_width * column_scale,
        others={name: refit(fit) for name, fit in report.others.items()},
        residual=replace(
            residual,
            spectrum=spectrum / norm,
            map=residual.map * norm * row_scale,
            noise_model="poisson",
        ),
    )


def _energy_axis(signal: BaseSignal, columns: np.ndarray) -> dict[str, Any]:
    """Positions and label of the channels of a single signal axis; else nothing."""
    if signal.axes_manager.signal_dimension != 1:
        return {}
    (axis,) = signal.axes_manager.signal_axes
    return {"channels": axis.axis[columns], "channel_label": axis_label(axis)}

"""Result of a sparse EXAFS fit: maps, table of shells, model and residual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from hyperspy.signals import BaseSignal
from scipy.special import erfinv

from sparsedecomp.results import Result, Table, drawn_by
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.exafs_table import RSTEP, fit_quality, shell_table
from sparsedecomp.signals.pixelwise import Array
from sparsedecomp.signals.rdf import RDFSpectrum

if TYPE_CHECKING:
    from sparsedecomp.signals.exafs import EXAFSSpectrum
    from sparsedecomp.xas import SparseEXAFS


class SparseEXAFSResult(Result):
    """Shells of an image and the number of atoms of each pixel in them.

    Parameters
    ----------
    signal : EXAFSSpectrum
        Signal that was fitted.
    fits : list of SparseEXAFS
        Fit of each part of the image.
    labels : array of navigation shape
        Index of the part of each pixel, -1 for pixels of none.
    messages : list of str, optional
        What is to be known about the scan and the basis.

    Attributes
    ----------
    fits : list of SparseEXAFS
        Fits with the search on the mean spectrum, the Lasso path and the samples.
    labels : array of navigation shape
        Index of the part of each pixel.
    elements : tuple of str
        Labels of the channels of the basis.
    messages : list of str
        What is wrong with the scan, the basis or the fit; empty if nothing is.
    """

    plot = drawn_by("plot_exafs_fit")

    def __init__(
        self,
        signal: EXAFSSpectrum,
        fits: list[SparseEXAFS],
        labels: np.ndarray,
        messages: list[str] | None = None,
    ) -> None:
        self.fits, self.labels = fits, labels
        self.messages = list(messages or [])
        self.elements: tuple[str, ...] = fits[0].basis.labels
        self._signal = signal
        counts = [len(fit.shells_.r) for fit in fits]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        self._packed = self._predict()

    @property
    def n_shells(self) -> int:
        """Number of shells of all parts: columns of the maps."""
        return int(self._starts[-1])

    @property
    def n(self) -> Array:
        """Number of atoms of each pixel and shell, (*navigation, n_shells)."""
        return self._part(0)

    @property
    def n_std(self) -> Array:
        """Standard deviations of `n`."""
        return self._part(1)

    @property
    def inclusion(self) -> Array:
        """Probability that a pixel has the shell (mcmc), else 1 where it has atoms."""
        return self._part(2)

    @property
    def noise(self) -> BaseSignal | float:
        """Map of the noise standard deviation, in units of the noise model."""
        return self._map(self._packed[..., -2])

    @property
    def log_evidence(self) -> BaseSignal | float:
        """Map of the log evidence of each pixel."""
        return self._map(self._packed[..., -1])

    def parameter(self, name: str) -> BaseSignal | float:
        """Map of a parameter, averaged over the shells of each pixel's part.

        Parameters
        ----------
        name : {"e0", "sigma2"}
            Energy shift in eV or mean square displacement in square angstrom.

        Returns
        -------
        BaseSignal or float
            Mean over the shells with the weights 1 / R^2; NaN where there are none.
        """
        shells = [fit.shells_ for fit in self.fits]
        means = [
            np.average(getattr(s, name), weights=s.r**-2.0) if len(s.r) else np.nan
            for s in shells
        ]
        values = np.array(means)[self.labels]
        return self._map(np.where(self.labels >= 0, values, np.nan))

    def shells(self) -> list[dict[str, Any]]:
        """Table of the shells, nearest first.

        Returns
        -------
        list of dict
            For each shell: ``part``, ``element``, ``R`` and ``R_std`` (angstrom),
            ``N`` and ``N_std`` (mean over the pixels of the part, and standard
            deviation of one pixel), ``sigma2`` (square angstrom), ``E0`` (eV) and
            ``found`` (fraction of the pixels that have it, or mean probability).
            ``R_low`` and ``R_high`` bound the range of distances within which atoms of
            the element are not resolved: N is their sum. ``probability`` is that of
            the shell among the fits that the search visited, ``flags`` a tuple of
            "not determined", "too many atoms" (than fit into the shell) and
            "exploration" (lasso and mcmc, whose intervals leave out errors of the
            theory). ``r_factor``, ``degrees_of_freedom`` and ``n_independent`` are
            those of the part, as in `quality`.
            Shells beyond the window of R, which only model leakage into it, are not
            listed; neighbouring columns of the grid are summed to one shell.
        """
        maps = [np.asarray(v) for v in (self.n, self.n_std, self.inclusion)]
        table = []
        for part, (fit, quality) in enumerate(
            zip(self.fits, self.quality, strict=True)
        ):
            columns = slice(self._starts[part], self._starts[part + 1])
            pixels = self.labels == part
            values = [map_of_part[pixels][:, columns] for map_of_part in maps]
            for shell in shell_table(fit, *values):
                table.append({"part": part, **shell, **quality})
        return table

    @property
    def quality(self) -> list[dict[str, float]]:
        """How well the mean spectrum of each part is fitted.

        For each part ``r_factor`` (sum of squares of the residual over that of the
        data, in the windows of k and R), ``n_independent`` (2 dk dR / pi) and
        ``degrees_of_freedom`` (these less the parameters that the data determine).
        NaN without a FEFF basis.
        """
        return [fit_quality(fit) for fit in self.fits]

    def interval(self, credible: float = 0.95) -> tuple[Array, Array]:
        """Credible intervals of the numbers of atoms.

        Parameters
        ----------
        credible : float, default 0.95
            Probability of the interval.

        Returns
        -------
        low : array of the shape of `n`
            Lower bounds, not negative.
        high : array of the shape of `n`
            Upper bounds.

        Raises
        ------
        ValueError
            If credible is not between 0 and 1.
        """
        if not 0 < credible < 1:
            raise ValueError(f"credible={credible!r}: expected between 0 and 1.")
        width = np.sqrt(2) * erfinv(credible) * self.n_std
        return (self.n - width).clip(0, None), self.n + width

    def rdf(self) -> RDFSpectrum:
        """Number of atoms as a function of distance, for each pixel and element.

        Returns
        -------
        RDFSpectrum or LazyRDFSpectrum
            Signal with the navigation axes of the image, an axis of the elements, and
            the signal axis R.
        """
        step = getattr(self.fits[0].basis, "rstep", RSTEP)
        shells = [fit.shells_ for fit in self.fits]
        last = max(s.r.max(initial=1.0) for s in shells)
        size = int(np.ceil(last / step)) + 2
        names = list(self.elements)
        onto_grid = np.zeros((self.n_shells, len(names), size))
        column = 0
        for s in shells:
            for label, r, leaks in zip(s.labels, s.r, s.is_leakage, strict=True):
                onto_grid[column, names.index(label), round(r / step)] = not leaks
                column += 1
        data = _tensordot(self.n, onto_grid.reshape(self.n_shells, len(names) * size))
        data = data.reshape(*data.shape[:-1], len(names), size)
        return self._rdf_signal(data, step, size)

    def model(self) -> EXAFSSpectrum:
        """EXAFS of the fit.

        Returns
        -------
        EXAFSSpectrum or LazyEXAFSSpectrum
            Spectra chi(k) in the range of k that was fitted.
        """
        atoms = np.concatenate([fit.atoms_ for fit in self.fits])
        return self._chi(_tensordot(self.n, atoms), "model")

    def residual(self) -> EXAFSSpectrum:
        """Data minus model.

        Returns
        -------
        EXAFSSpectrum or LazyEXAFSSpectrum
            Spectra chi(k) in the range of k that was fitted.
        """
        data = self._signal._data_aligned_with_axes[..., self._inside]
        return self._chi(data - self.model()._data_aligned_with_axes, "residual")

    @property
    def summary(self) -> str:
        """Distances and numbers of the shells in one line."""
        shells = ", ".join(
            f"{row['N']:.1f} {row['element']} at {row['R']:.2f}"
            for row in self.shells()
        )
        return f"{shells} angstrom" if shells else "no shells were found"

    def _details(self) -> Iterator[str | Table]:
        yield from self.messages
        yield [
            [
                *("part", "element", "R (angstrom)", "N", "sigma2", "E0 (eV)"),
                *("found in", "flags"),
            ],
            *(
                [
                    f"{row['part']}",
                    row["element"],
                    f"{row['R']:.3f} ± {row['R_std']:.3f}",
                    f"{row['N']:.1f} ± {row['N_std']:.1f}",
                    f"{row['sigma2']:.4f}",
                    f"{row['E0']:.1f}",
                    f"{row['found']:.0%}",
                    ", ".join(row["flags"]),
                ]
                for row in self.shells()
            ),
        ]

    @property
    def _inside(self) -> slice:
        return self.fits[0].coordinates_.inside

    def _part(self, index: int) -> Array:
        m = self.n_shells
        return self._packed[..., index * m : (index + 1) * m]

    def _predict(self) -> Array:
        """Numbers, deviations, inclusion, noise and evidence along the last axis."""
        labels = self.labels[..., None]
        data = self._signal._data_aligned_with_axes
        if not self._signal._lazy:
            return _predict_block(data, labels, self.fits, self._starts)
        data = data.rechunk({-1: -1})
        labels = da.from_array(labels, chunks=(*data.chunks[:-1], (1,)))
        return data.map_blocks(
            _predict_block,
            labels,
            fits=self.fits,
            starts=self._starts,
            dtype=float,
            chunks=(*data.chunks[:-1], (3 * self.n_shells + 2,)),
            meta=np.empty((0,) * data.ndim),
        )

    def _map(self, data: Array) -> BaseSignal | float:
        if self._signal.axes_manager.navigation_dimension == 0:
            return float(data)
        return self._signal._get_navigation_signal(data=data)

    def _chi(self, data: Array, what: str) -> EXAFSSpectrum:
        k = self.fits[0].coordinates_.k
        axis = {
            "name": "k",
            "units": "1/Angstrom",
            "scale": float(k[1] - k[0]),
            "offset": float(k[0]),
            "size": len(k),
            "navigate": False,
        }
        return pixelwise.signal_on(
            self._signal, data, axis, "EXAFS", "chi", {"fit": what}
        )

    def _rdf_signal(self, data: Array, step: float, size: int) -> RDFSpectrum:
        from hyperspy.api import signals

        lazy = self._signal._lazy
        cls = signals.LazySignal1D if lazy else signals.Signal1D
        element = {"name": "element", "size": len(self.elements), "navigate": True}
        distance = {
            "name": "R",
            "units": "Angstrom",
            "scale": step,
            "offset": 0.0,
            "size": size,
            "navigate": False,
        }
        navigation = self._signal.axes_manager._get_navigation_axes_dicts()
        rdf = cls(data, axes=[*navigation, element, distance])
        rdf.metadata.add_dictionary(self._signal.metadata.as_dictionary())
        rdf.metadata.set_item("Signal.quantity", "N")
        rdf.metadata.set_item("XAS.shells", list(self.elements))
        rdf.set_signal_type("RDF")
        return rdf


def _predict_block(
    chi: np.ndarray, parts: np.ndarray, fits: list[SparseEXAFS], starts: np.ndarray
) -> np.ndarray:
    """Predictions of a block of pixels, each by the fit of its part."""
    m = starts[-1]
    shape = chi.shape[:-1]
    chi, parts = chi.reshape(-1, chi.shape[-1]), parts.reshape(-1)
    out = np.full((len(chi), 3 * m + 2), np.nan)
    for part, fit in enumerate(fits):
        pixels = np.flatnonzero(parts == part)
        fitted = fit.predict(chi[pixels])
        # Pixels of this part have no atoms in the shells of the other parts.
        packed = np.zeros((len(pixels), 3 * m + 2))
        packed[~np.isfinite(fitted.noise)] = np.nan
        for i, values in enumerate((fitted.n, fitted.n_std, fitted.inclusion)):
            packed[:, i * m + starts[part] : i * m + starts[part + 1]] = values
        packed[:, -2], packed[:, -1] = fitted.noise, fitted.log_evidence
        out[pixels] = packed
    return out.reshape(*shape, -1)


def _tensordot(n: Array, matrix: np.ndarray) -> Array:
    """Numbers of atoms times the contribution of one atom of each shell."""
    if isinstance(n, np.ndarray):
        return n @ matrix
    # A negative axis gives a wrong shape in dask 2024.1 to 2024.5.
    return da.tensordot(n, matrix, axes=(n.ndim - 1, 0))

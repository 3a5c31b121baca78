"""The result of a sparse EXAFS fit: maps, tables, the model, and what is left."""

import numpy as np
from scipy.special import erfinv

from sparsedecomp.signals import rows

_VISITED = 0.005


class SparseEXAFSResult:
    """Shells of an image and how many atoms each pixel has in them.

    Parameters
    ----------
    signal : EXAFSSpectrum
        What was fitted.
    fits : list of SparseEXAFS
        One for each part of the image.
    labels : array of navigation shape
        Part of each pixel, -1 for none.

    Attributes
    ----------
    fits : list of SparseEXAFS
        With the search on the mean spectrum, the Lasso path, the samples.
    labels : array
        Part of each pixel.
    elements : tuple of str
        Kinds of atoms of the basis.
    """

    def __init__(self, signal, fits, labels):
        self.fits, self.labels = fits, labels
        self.elements = fits[0].basis.labels
        self._signal = signal
        counts = [len(fit.shells_.r) for fit in fits]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
        self._packed = self._predict()

    @property
    def n_shells(self):
        """Number of columns of the maps: shells of all parts."""
        return int(self._starts[-1])

    @property
    def n(self):
        """Atoms of each shell: navigation shape and one axis of shells."""
        return self._part(0)

    @property
    def n_std(self):
        """Standard deviations of `n`."""
        return self._part(1)

    @property
    def inclusion(self):
        """Probability that a shell is there (mcmc), else whether it is."""
        return self._part(2)

    @property
    def noise(self):
        """Map of the noise standard deviation, in units of the noise model."""
        return self._map(self._packed[..., -2])

    @property
    def log_evidence(self):
        """Map of the log evidence of each pixel."""
        return self._map(self._packed[..., -1])

    def parameter(self, name):
        """Map of a parameter of the shells of each pixel's part.

        Parameters
        ----------
        name : {"e0", "sigma2"}
            Mean over the shells found, weighted with 1 / R^2.

        Returns
        -------
        BaseSignal or float
        """
        values = []
        for fit in self.fits:
            shells = fit.shells_
            values.append(np.average(getattr(shells, name), weights=shells.r**-2.0))
        values = np.array(values)[self.labels]
        return self._map(np.where(self.labels >= 0, values, np.nan))

    def shells(self):
        """Table of the shells, nearest first.

        Returns
        -------
        list of dict
            For each shell: ``part``, ``element``, ``R`` and ``R_std`` (angstrom),
            ``N`` and ``N_std`` (mean over the pixels of the part and the standard
            deviation of one pixel), ``sigma2`` (square angstrom), ``E0`` (eV) and
            ``found`` (part of the pixels in which it is, or mean probability).
            Shells beyond the window of R, which only take up what leaks into it, are
            left out; shells of neighbouring columns are added up.
        """
        n, n_std, found = (np.asarray(v) for v in (self.n, self.n_std, self.inclusion))
        table = []
        for part, fit in enumerate(self.fits):
            of = self.labels == part
            columns = slice(self._starts[part], self._starts[part + 1])
            for row in _rows(
                fit, n[of][:, columns], n_std[of][:, columns], found[of][:, columns]
            ):
                table.append({"part": part, **row})
        return table

    def interval(self, credible=0.95):
        """Credible intervals of the numbers of atoms.

        Parameters
        ----------
        credible : float, default 0.95

        Returns
        -------
        low, high : arrays of the shape of `n`
            Not below zero.

        Raises
        ------
        ValueError
            If credible is not between 0 and 1.
        """
        if not 0 < credible < 1:
            raise ValueError(f"credible={credible!r}: expected between 0 and 1.")
        width = np.sqrt(2) * erfinv(credible) * self.n_std
        return (self.n - width).clip(0, None), self.n + width

    def rdf(self):
        """Numbers of atoms by distance, for each pixel and element.

        Returns
        -------
        RDFSpectrum or LazyRDFSpectrum
            Navigation axes of the image and one of the elements, signal axis R.
        """
        step = getattr(self.fits[0].basis, "r_step", 0.02)
        shells = [fit.shells_ for fit in self.fits]
        last = max(s.r.max(initial=1.0) for s in shells)
        size = int(np.ceil(last / step)) + 2
        names = list(self.elements)
        place = np.zeros((self.n_shells, len(names), size))
        row = 0
        for s in shells:
            for label, r, leaks in zip(s.labels, s.r, s.is_leakage, strict=True):
                place[row, names.index(label), round(r / step)] = not leaks
                row += 1
        data = _tensordot(self.n, place.reshape(self.n_shells, -1))
        data = data.reshape(*data.shape[:-1], len(names), size)
        return self._rdf_signal(data, step, size)

    def model(self):
        """EXAFS of the fit.

        Returns
        -------
        EXAFSSpectrum or LazyEXAFSSpectrum
            chi(k) of the range of k that was fitted.
        """
        atoms = np.concatenate([fit.atoms_ for fit in self.fits])
        return self._chi(_tensordot(self.n, atoms), "model")

    def residual(self):
        """What the model leaves, on the range of k that was fitted."""
        data = self._signal._data_aligned_with_axes[..., self._inside]
        return self._chi(data - self.model()._data_aligned_with_axes, "residual")

    def plot(self, pixel=None, axes=None):
        """Draw one pixel: k-weighted chi and fit, chi(R), and the shells.

        Parameters
        ----------
        pixel : tuple of int, optional
            Indices in array order; the first pixel by default.
        axes : sequence of three matplotlib.axes.Axes, optional

        Returns
        -------
        array of matplotlib.axes.Axes
        """
        import sparsedecomp

        return sparsedecomp.plotting.plot_exafs_fit(self, pixel, axes)

    def __repr__(self):
        lines = [f"<SparseEXAFSResult, {len(self.fits)} part(s)>"]
        lines += [
            f"{row['element']:>10s}  R = {row['R']:.3f} +- {row['R_std']:.3f}  "
            f"N = {row['N']:.1f} +- {row['N_std']:.1f}  in {row['found']:.0%}"
            for row in self.shells()
        ]
        return "\n".join(lines)

    @property
    def _inside(self):
        return self.fits[0].coordinates_.inside

    def _part(self, number):
        m = self.n_shells
        return self._packed[..., number * m : (number + 1) * m]

    def _predict(self):
        """Numbers, deviations, inclusion, noise and evidence, one behind the other."""
        labels = self.labels[..., None]
        data = self._signal._data_aligned_with_axes
        if not self._signal._lazy:
            return _predict_block(data, labels, self.fits, self._starts)
        import dask.array as da

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

    def _map(self, data):
        if self._signal.axes_manager.navigation_dimension == 0:
            return float(data)
        return self._signal._get_navigation_signal(data=data)

    def _chi(self, data, what):
        k = self.fits[0].coordinates_.k
        axis = {
            "name": "k",
            "units": "1/Angstrom",
            "scale": float(k[1] - k[0]),
            "offset": float(k[0]),
            "size": len(k),
            "navigate": False,
        }
        return rows.signal_on(self._signal, data, axis, "EXAFS", "chi", {"fit": what})

    def _rdf_signal(self, data, step, size):
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


def _predict_block(chi, part, fits, starts):
    """Numbers of atoms and the rest of a block of pixels, each by its part's fit."""
    m = starts[-1]
    shape = chi.shape[:-1]
    chi, part = chi.reshape(-1, chi.shape[-1]), part.reshape(-1)
    out = np.full((len(chi), 3 * m + 2), np.nan)
    for number, fit in enumerate(fits):
        of = np.flatnonzero(part == number)
        found = fit.predict(chi[of])
        rows_out = np.zeros((len(of), 3 * m + 2))
        rows_out[~np.isfinite(found.noise)] = np.nan
        for i, values in enumerate((found.n, found.n_std, found.inclusion)):
            rows_out[:, i * m + starts[number] : i * m + starts[number + 1]] = values
        rows_out[:, -2], rows_out[:, -1] = found.noise, found.log_evidence
        out[of] = rows_out
    return out.reshape(*shape, -1)


def _tensordot(n, matrix):
    """Numbers of atoms times what one atom of each shell gives; NaN stays NaN."""
    if isinstance(n, np.ndarray):
        return n @ matrix
    import dask.array as da

    return da.tensordot(n, matrix, axes=(-1, 0))


def _rows(fit, n, n_std, found):
    """Shells of one part; columns of the grid that touch are one shell."""
    s = fit.shells_
    total = np.nansum(n, axis=0)
    gap = 3.5 * getattr(fit.basis, "r_step", 0.02) if fit.problem_ is not None else 0
    # Columns that the samples hardly ever visit would tie all shells together.
    held = np.nanmean(found, axis=0) > _VISITED if len(found) else total > 0
    used = np.flatnonzero((total > 0) & held & ~s.is_leakage)
    used = used[np.lexsort((s.r[used], s.labels[used]))]
    groups, last = [], None
    for j in used:
        if (
            last is not None
            and s.labels[j] == s.labels[last]
            and s.r[j] - s.r[last] < gap
        ):
            groups[-1].append(j)
        else:
            groups.append([j])
        last = j
    out = []
    for group in groups:
        weight = total[group] / total[group].sum()
        r = float(weight @ s.r[group])
        scatter = weight @ (s.r[group] - r) ** 2
        numbers = n[:, group].sum(axis=1)
        out.append(
            {
                "element": str(s.labels[group[0]]),
                "R": r,
                "R_std": float(np.sqrt(weight @ s.r_std[group] ** 2 + scatter)),
                "N": float(np.nanmean(numbers)),
                "N_std": float(
                    np.nanmean(np.sqrt(np.sum(n_std[:, group] ** 2, axis=1)))
                ),
                "sigma2": float(weight @ s.sigma2[group]),
                "E0": float(weight @ s.e0[group]),
                "found": float(np.nanmean(np.clip(found[:, group].sum(axis=1), 0, 1))),
            }
        )
    return sorted(out, key=lambda row: row["R"])

r"""Pre-edge line, post-edge polynomial and edge step: mu(E) on the scale of one atom.

A line is fitted below the edge, a polynomial in E - E0 to what stands above that line
beyond the edge; its value at E0 is the edge step, and (mu - line) / step is one
absorber. All of it is a fit of fixed functions to fixed channels, so it is linear in
mu up to the division: for given ranges two small matrices serve all pixels.

The default ranges are those of larch's ``pre_edge``; the edge step equals larch's to
rounding where E0 is a measured energy.

References
----------
B. Ravel, M. Newville, J. Synchrotron Radiat. 12 (2005) 537; M. Newville, J. Phys.
Conf. Ser. 430 (2013) 012007.
"""

import numpy as np

from sparsedecomp.xas.grids import applied, increasing, nearest, spectra_on

ROUNDING = 1e-9
"""An edge step below this share of the largest mu is none."""


class Normalisation:
    """Normalises spectra that share their energies and their edge.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    e0 : float
        Threshold in eV.
    pre : tuple of two floats, optional
        Range of the pre-edge fit in eV relative to E0, both negative. By default, or
        where one is None, from the second point to half way to the edge.
    post : tuple of two floats, optional
        Range of the post-edge fit in eV relative to E0. By default to the end, from a
        fifteenth of that but at most 25 eV.
    pre_degree : {1, 0}
        A line, or a constant where there is too little before the edge for a line.
    post_degree : {0, 1, 2, 3}, optional
        Of the polynomial; by default 2 for ranges of 300 eV and more, 1 from 30 eV,
        else 0.

    Attributes
    ----------
    pre, post : tuple of two floats
        The ranges in use, in eV relative to E0.
    pre_degree, post_degree : int

    Raises
    ------
    ValueError
        If the energies do not increase, E0 is not among them, or a range holds fewer
        points than its polynomial has coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import Normalisation
    >>> energy = np.arange(8800.0, 9500.0, 2.0)
    >>> mu = 3 - 1e-4 * (energy - 8980) + 2 * (energy >= 8980)
    >>> normalisation = Normalisation(energy, 8980.0)
    >>> float(normalisation.edge_step(mu).round(6))
    2.0
    >>> abs(normalisation.normalise(mu))[[40, -1]].round(6).tolist()
    [0.0, 1.0]
    """

    def __init__(self, energy, e0, pre=None, post=None, pre_degree=1, post_degree=None):
        self.energy = increasing(energy)
        self.e0 = float(e0)
        if not self.energy[0] < self.e0 < self.energy[-1]:
            raise ValueError(
                f"e0={self.e0:g} eV lies outside the energies, {self.energy[0]:g} to "
                f"{self.energy[-1]:g} eV: give the threshold of the edge that was "
                "measured."
            )
        self.pre = self._pre_range(*(pre or (None, None)))
        self.post = self._post_range(*(post or (None, None)))
        self.pre_degree = int(pre_degree)
        if post_degree is None:
            width = self.post[1] - self.post[0]
            post_degree = 2 if width >= 300 else 1 if width >= 30 else 0
        self.post_degree = int(post_degree)

        x = self.energy - self.e0
        self._pre_basis = np.vander(x, self.pre_degree + 1, increasing=True)
        self._post_basis = np.vander(x, self.post_degree + 1, increasing=True)
        pre_fit = self._fit("pre", self.pre, self._pre_basis)
        post_fit = self._fit("post", self.post, self._post_basis)
        # mu -> coefficients of the line, and of the polynomial above the line.
        self._pre_fit = pre_fit
        self._post_fit = post_fit - post_fit @ self._pre_basis @ pre_fit

    def edge_step(self, mu):
        """Height of the edge, in the unit of mu.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)

        Returns
        -------
        numpy.ndarray of shape (...)
            Zero where the spectrum is smooth to rounding, negative where it falls.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        # The polynomial's value at E0 is its coefficient of power 0.
        step = mu @ self._post_fit[0]
        rounding = ROUNDING * np.abs(mu).max(axis=-1)
        return np.where(np.abs(step) <= rounding, 0.0, step)

    def pre_edge(self, mu):
        """Line below the edge, over all energies.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)

        Returns
        -------
        numpy.ndarray of shape (..., n_E)

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        line = applied(self._pre_fit, spectra_on(mu, self.energy))
        return applied(self._pre_basis, line)

    def post_edge(self, mu):
        """Polynomial above the edge plus the line, over all energies.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)

        Returns
        -------
        numpy.ndarray of shape (..., n_E)

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        return self.pre_edge(mu) + self._above_line(mu)

    def normalise(self, mu, flatten=False, edge_step=None):
        """Subtract the pre-edge line and divide by the edge step.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.
        flatten : bool
            Also take the slope and the curvature away above E0, so that the far end
            oscillates about 1.
        edge_step : float or array_like of shape (...), optional
            Divide by this instead, e.g. by one number for a whole map.

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            NaN where the edge step is not positive: there is no edge to scale by.
            Float32 for float32 mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        step = self.edge_step(mu) if edge_step is None else np.asarray(edge_step)
        step = np.where(step > 0, step, np.nan)[..., None]
        above_line = mu - self.pre_edge(mu)
        if flatten:
            curve = self._above_line(mu)
            curve -= self.edge_step(mu)[..., None]
            above_line -= np.where(self.energy >= self.e0, curve, 0)
        return (above_line / step).astype(mu.dtype, copy=False)

    def _above_line(self, mu):
        """Polynomial above the edge without the line."""
        return applied(self._post_basis, applied(self._post_fit, mu))

    def _pre_range(self, start, end):
        if start is None:
            # The first point of a scan is often bad.
            distance = self.energy[1] - self.e0
            unit = 5.0 if nearest(self.energy, self.e0) > 20 else 2.0
            start = max(unit * round(distance / unit), self.energy[0] - self.e0)
        if end is None:
            end = 0.5 * start
        return tuple(sorted((float(start), float(end))))

    def _post_range(self, start, end):
        reach = self.energy[-1] - self.e0
        if end is None:
            end = min(5.0 * round(reach / 5.0), reach)
        if start is None:
            start = min(25.0, 5.0 * round(end / 15.0), end - 2)
        return tuple(sorted((float(start), float(end))))

    def _fit(self, name, limits, basis):
        """Least-squares fit of a basis to the channels of a range, (n_basis, n_E)."""
        first = int(np.searchsorted(self.energy, limits[0] + self.e0, side="right")) - 1
        first = max(first, 0)
        last = nearest(self.energy, limits[1] + self.e0)
        n_points = max(last - first, 0)
        if n_points < basis.shape[1]:
            line = "a constant, pre_degree=0" if name == "pre" else "a lower degree"
            raise ValueError(
                f"The {name}-edge range of {limits[0]:g} to {limits[1]:g} eV about "
                f"e0={self.e0:g} eV holds {n_points} point"
                f"{'' if n_points == 1 else 's'}, too few for a polynomial of degree "
                f"{basis.shape[1] - 1}: widen `{name}`, or fit {line}."
            )
        fit = np.zeros((basis.shape[1], len(self.energy)))
        # Scaled columns: powers of hundreds of eV differ by orders of magnitude.
        rows = basis[first:last]
        scale = np.abs(rows).max(axis=0)
        fit[:, first:last] = np.linalg.pinv(rows / scale) / scale[:, None]
        return fit

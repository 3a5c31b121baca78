"""Errors of the shared shells, propagated to the numbers of atoms of each spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .map_refinement import ShellFit
from .model import GLOBALS, ShellModel


@dataclass(frozen=True)
class SharedError:
    r"""Errors of weights due to the amplitudes of the theory and the shapes of shells.

    An error of the distance of one shell changes the weights of all shells, in
    proportion to the weight of that one. With J_l the derivative of the spectrum of one
    unit of shell l by the parameters, C their covariance and X^+ the least-squares
    fit, a parameter error :math:`\delta` gives a spectrum of weights w the error
    :math:`-X^+ \sum_l w_l J_l \delta`, and shell j the variance :math:`w^T Q_j w`.

    Attributes
    ----------
    amplitude : float
        Relative error of a weight due to the amplitude of the theory.
    shapes : (K, K, K) array or None, default None
        Matrices Q_j of the shells, by distance; None where they are not known.
    """

    amplitude: float
    shapes: np.ndarray | None = None

    @classmethod
    def of(
        cls, model: ShellModel, fit: ShellFit, noise: np.ndarray | None = None
    ) -> SharedError:
        """Errors due to uncertain distances, displacements, energy zeros and theory.

        Parameters
        ----------
        model : ShellModel
            Model of the spectrum.
        fit : ShellFit
            Shells and the covariance of their parameters.
        noise : (n, n) array, optional
            Covariance of the coordinates with which weights are fitted, if it holds
            the errors of the theory. By default weights are those of least squares,
            and the errors of the theory are among the shared ones.

        Returns
        -------
        SharedError
            Errors; for the weights of the fit itself, the part of their variance that
            would vanish if all other parameters were known.
        """
        r = model.split(fit.p)[1][0]
        n_shells, order = len(r), np.argsort(r)
        of_atoms = GLOBALS + n_shells + np.arange(n_shells)
        columns = model.predict(fit.p, fit.channel_index)[1][:, of_atoms[order]]
        if noise is None:
            solve = np.linalg.pinv(columns)
        else:
            weighted = np.linalg.solve(noise, columns).T
            prior = np.eye(n_shells) / model.prior.density**2
            solve = np.linalg.solve(weighted @ columns + prior, weighted)
        covariance = np.delete(np.delete(fit.covariance, of_atoms, 0), of_atoms, 1)
        response = np.empty((n_shells, n_shells, len(covariance)))
        for row, shell in enumerate(order):
            p = fit.p.copy()
            p[of_atoms] = np.arange(n_shells) == shell
            J = model.predict(p, fit.channel_index)[1]
            response[row] = solve @ np.delete(J, of_atoms, axis=1)
        shapes = np.einsum("ljp,pq,mjq->jlm", response, covariance, response)
        if noise is None:
            shapes += _of_theory(model, fit, order, solve)
        return cls(model.prior.amplitude_error, shapes)

    def variance(self, weights: np.ndarray) -> np.ndarray:
        """Variance of weights due to the shared errors.

        Parameters
        ----------
        weights : (..., K) array
            Weights of the shells, by distance.

        Returns
        -------
        (..., K) array
            Variance of each weight.
        """
        variance = (self.amplitude * weights) ** 2
        if self.shapes is None:
            return variance
        return variance + np.einsum(
            "...l,jlm,...m->...j", weights, self.shapes, weights
        )


def _of_theory(
    model: ShellModel, fit: ShellFit, order: np.ndarray, solve: np.ndarray
) -> np.ndarray:
    """Matrices Q_j of the errors of amplitudes, phases and missing paths."""
    (r, u, *_), channel_index = model.split(fit.p)[1], fit.channel_index
    spectra = model.spectra(fit.p, channel_index)
    shapes = np.zeros((len(r),) * 3)
    for factors in model.theory.factors(r, channel_index, spectra):
        response = factors[order] @ solve.T
        shapes += np.einsum("lmj,kmj->jlk", response, response)
    if len(r):
        weight = max(u[np.argmin(r)], 1e-6)
        covariance = model.theory.missing(r, u, channel_index) / weight**2
        # The nearest shell is the first by distance.
        shapes[:, 0, 0] += np.einsum("jn,nm,jm->j", solve, covariance, solve)
    return shapes

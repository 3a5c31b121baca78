"""How an error of what all spectra share reaches the atoms of each of them."""

from dataclasses import dataclass

import numpy as np

from .model import GLOBALS


@dataclass(frozen=True)
class SharedError:
    r"""Errors of atoms by the amplitudes of the theory and by the shapes of shells.

    A shell whose distance is off by a little takes atoms from the others and gives them
    some, in proportion to its own: with J_l the change of the spectrum of one unit of
    shell l with the parameters, C their covariance and X^+ the least-squares fit, a
    spectrum of weights w has the error :math:`-X^+ \sum_l w_l J_l \delta`, and shell j
    of it the variance :math:`w^T Q_j w`.

    Attributes
    ----------
    amplitude : float
        Relative error of a weight by the theory's amplitude.
    shapes : (K, K, K) array or None
        Q_j for each shell, by distance; None where nothing is known of them.
    """

    amplitude: float
    shapes: np.ndarray = None

    @classmethod
    def of(cls, model, fit):
        """Errors that a fit leaves in distances, displacements and energy zeros.

        For the weights of the fit itself they are what it knows less of them than if
        all else were known.

        Parameters
        ----------
        model : ShellModel
        fit : ShellFit
        """
        r = model.split(fit.p)[1][0]
        n_shells, order = len(r), np.argsort(r)
        of_atoms = GLOBALS + n_shells + np.arange(n_shells)
        columns = model.predict(fit.p, fit.channel_index)[1][:, of_atoms[order]]
        solve = np.linalg.pinv(columns)
        covariance = np.delete(np.delete(fit.covariance, of_atoms, 0), of_atoms, 1)
        response = np.empty((n_shells, n_shells, len(covariance)))
        for row, shell in enumerate(order):
            p = fit.p.copy()
            p[of_atoms] = np.arange(n_shells) == shell
            J = model.predict(p, fit.channel_index)[1]
            response[row] = solve @ np.delete(J, of_atoms, axis=1)
        shapes = np.einsum("ljp,pq,mjq->jlm", response, covariance, response)
        return cls(model.prior.amplitude_error, shapes)

    def variance(self, weights):
        """Variance of weights.

        Parameters
        ----------
        weights : (..., K) array

        Returns
        -------
        (..., K) array
        """
        variance = (self.amplitude * weights) ** 2
        if self.shapes is None:
            return variance
        return variance + np.einsum(
            "...l,jlm,...m->...j", weights, self.shapes, weights
        )

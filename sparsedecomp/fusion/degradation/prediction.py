"""How well a cube's coefficients predict a degraded guide, on pixels held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FOLDS = 5
# Ridge of the regression, per coefficient of unit variance over all pixels.
_RIDGE = 1e-4
# Coefficients that take part at most: weak ones are mostly noise.
_MOST = 8


class Prediction:
    """Regression of degraded guides on the coefficients of the cube.

    Parameters
    ----------
    maps : (h, w, p) array
        Coefficients of the coarse pixels, the strongest first.
    keep : (h * w,) bool array, optional
        Pixels to use; default: all.
    """

    def __init__(self, maps: NDArray, keep: NDArray | None = None) -> None:
        flat = maps.reshape(-1, maps.shape[-1])[:, :_MOST]
        self.keep = np.ones(len(flat), bool) if keep is None else keep
        flat = flat[self.keep]
        n = len(flat)
        scaled = flat / np.maximum(flat.std(axis=0), 1e-300)
        self.design = np.column_stack([scaled, np.ones(n)])
        folds = np.random.default_rng(0).permutation(n) % _FOLDS
        self.parts = [(folds != k, folds == k) for k in range(_FOLDS)]
        ridge = _RIDGE * np.eye(self.design.shape[1])
        self.solvers = []
        for inside, _ in self.parts:
            A = self.design[inside]
            self.solvers.append(np.linalg.solve(A.T @ A + ridge, A.T))

    def residual(self, coarse: NDArray) -> NDArray:
        """Errors of the prediction of pixels that are held out.

        Parameters
        ----------
        coarse : (h * w, m) array
            A degraded guide.

        Returns
        -------
        (kept pixels, m) array
            Errors in units of the guide.
        """
        coarse = coarse[self.keep]
        errors = np.empty_like(coarse)
        for (inside, out), solver in zip(self.parts, self.solvers, strict=True):
            errors[out] = coarse[out] - self.design[out] @ (solver @ coarse[inside])
        return errors

    def unexplained(self, coarse: NDArray) -> float:
        """Part of the variance that is not predicted, the mean over bands.

        Parameters
        ----------
        coarse : (h * w, m) array
            A degraded guide.

        Returns
        -------
        float
            0 for a guide that is a mixture of channels, about 1 for one that has
            nothing to do with the cube.
        """
        errors = np.square(self.residual(coarse)).sum(axis=0)
        coarse = coarse[self.keep]
        total = np.zeros(coarse.shape[1])
        for inside, out in self.parts:
            total += np.square(coarse[out] - coarse[inside].mean(axis=0)).sum(axis=0)
        return float(np.mean(errors / np.maximum(total, 1e-300)))

    def slopes(self, coarse: NDArray) -> NDArray:
        """Correlation of each band with what the coefficients predict of it, signed.

        Parameters
        ----------
        coarse : (h * w, m) array
            A degraded guide.

        Returns
        -------
        (m,) array
            Sign of the strongest coefficient's share times the correlation.
        """
        A, g = self.design, coarse[self.keep]
        weights = np.linalg.lstsq(A, g - g.mean(axis=0), rcond=None)[0]
        fitted = A @ weights
        return np.array(
            [np.corrcoef(fitted[:, c], g[:, c])[0, 1] for c in range(g.shape[1])]
        )

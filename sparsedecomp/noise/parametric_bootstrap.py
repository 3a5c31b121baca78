"""The edge of the noise, checked with counts drawn from a model without the rest."""

from __future__ import annotations

import numpy as np

from sparsedecomp.noise import scree
from sparsedecomp.noise.scree import noise_limit
from sparsedecomp.noise.whitening import count_scales, scores

# Pixels that are drawn; of more, a sample that shows how far noise is from even.
_PIXELS = 2**14
# A square so many times the edge is not checked by drawing counts.
_CLEAR = 3.0
_DRAWS = 6
# Components that are looked for at most.
_MOST = 64


class Bootstrap:
    """Counts drawn from the rank-``k`` model of whitened data [1]_.

    Parameters
    ----------
    seen : Whitened
        From counts.
    scores : (n_pixels, rank) array
        Along its leading vectors.
    n_draws : int
    generator : numpy.random.Generator

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (Chapman and
       Hall, 1993), section 6.5 (the parametric bootstrap).
    """

    def __init__(self, seen, scores, n_draws, generator):
        n = len(scores)
        chosen = np.arange(n)
        if n > _PIXELS:
            chosen = np.sort(generator.choice(n, _PIXELS, replace=False))
        self.scores = scores[chosen].astype(np.float64)
        self.vectors = seen.vectors[:, : scores.shape[1]]
        self.row_scale = seen.row_scale[chosen] / seen.unit
        self.bin_scale = seen.bin_scale
        self.generator = generator
        self.n_draws = n_draws

    def shift(self, k):
        """By how much the next square of such counts exceeds that of white noise.

        Parameters
        ----------
        k : int
            Components of the model, at least one.

        Returns
        -------
        float
            Relative to the limit of white noise.
        """
        model = self.scores[:, :k] @ self.vectors[:, :k].T
        expected = np.maximum(model * self.row_scale[:, None] * self.bin_scale, 0.0)
        excess = []
        for _ in range(self.n_draws):
            counts = self.generator.poisson(expected).astype(np.float64)
            rows, columns = counts.sum(axis=1), counts.sum(axis=0)
            row_scale, bin_scale = count_scales(rows, columns)
            counts /= row_scale[:, None] * bin_scale
            squares = np.linalg.eigvalsh(counts.T @ counts)[::-1]
            n, m = np.count_nonzero(rows) - k, np.count_nonzero(columns) - k
            variance = squares[k:].sum() / (n * m)
            excess.append(squares[k] / (variance * noise_limit(n, m, 0.5)) - 1)
        return float(np.mean(excess))


class Edge:
    """Singular values against the edge of the noise, moved where draws ask for it."""

    def __init__(self, blocks, seen, variance, generator):
        self.blocks, self.seen, self.generator = blocks, seen, generator
        self.known = variance
        if variance is not None:
            # Bins hold several channels, and are divided by the root of their width.
            width = blocks.shape[1] / len(seen.starts)
            self.known = float(variance) * width
        self.rank = min(*seen.shape, _MOST)
        self.squares = seen.squares[: self.rank]
        self.left = seen.squares[self.rank :].sum()
        self.shift = {}
        self._bootstrap = None

    def edges(self, p, drawn):
        """What each square must exceed, noise exceeding it with probability ``p``."""
        edges = scree.above_noise(
            self.squares, self.left, *self.seen.shape, variance=self.known, p=p
        )[2]
        if self.seen.noise_model == "poisson":
            # Counts have a mean, and its noise is known before anything is left over.
            limit = scree.noise_limit(*self.seen.shape, p)
            edges[0] = min(edges[0], max(limit, 1e-12 * self.squares[0]))
        if not drawn:
            return edges
        # Beyond the last model that was drawn from, it is the best there is.
        last = self.shift[max(self.shift)] if self.shift else 0.0
        moved = [self.shift.get(k, last * (k > 0)) for k in range(self.rank)]
        return edges * (1 + np.array(moved))

    def count(self, p, drawn):
        """Leading squares above their edges, checked with data drawn anew or not."""
        for k in range(self.rank):
            edges = self.edges(p, drawn)
            near = self.squares[k] < _CLEAR * edges[k]
            if drawn and near and 0 < k < self.rank - 1 and k not in self.shift:
                self.shift[k] = self._model().shift(k)
                edges = self.edges(p, drawn)
            if self.squares[k] <= edges[k]:
                return k
        return self.rank

    def variance(self, count):
        """Of the noise, with so many components."""
        if self.known is not None:
            return self.known
        n, m = self.seen.shape
        tail = self.squares[count:].sum() + self.left
        return float(tail / max((n - count) * (m - count), 1))

    def _model(self):
        if self._bootstrap is None:
            along = scores(self.blocks, self.seen, self.rank)
            self._bootstrap = Bootstrap(self.seen, along, _DRAWS, self.generator)
        return self._bootstrap

    def probability(self, drawn):
        """That noise exceeds each square, those before it being real."""
        n, m = self.seen.shape
        typical = self.edges(0.5, drawn)
        return np.array(
            [
                scree.noise_probability(
                    square / edge * scree.noise_limit(n - k, m - k, 0.5), n - k, m - k
                )
                for k, (square, edge) in enumerate(
                    zip(self.squares, typical, strict=True)
                )
            ]
        )

    def detectability(self, variance):
        """Smallest part of the signal's energy that is seen, at most all of it."""
        n, m = self.seen.shape
        signal = self.squares.sum() + self.left - n * m * variance
        least = variance * np.sqrt(n * m)
        return float(min(least / signal, 1.0)) if signal > 0 else 1.0

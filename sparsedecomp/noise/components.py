"""How many components rise above the noise: the one answer that all methods use."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise import edge
from sparsedecomp.noise.binned_spectrum import scores
from sparsedecomp.noise.edge import MOST_COMPONENTS, PROBABILITY
from sparsedecomp.noise.model import NoiseModel
from sparsedecomp.noise.parametric_bootstrap import Bootstrap

# A square so many times the edge of white noise is not checked by drawing counts.
_CLEAR = 3.0
_DRAWS = 6
# Singular values that are compared with the edge at most.
_MOST = 64


class NoiseEdge:
    """Singular values against the edge of the noise, moved where counts move it.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    noise : NoiseModel
        Noise model of the data.
    variance : float, optional
        Variance of an entry of the data, where it is known and the same everywhere.
    """

    def __init__(
        self,
        blocks: BlockMatrix,
        noise: NoiseModel,
        variance: float | None = None,
    ) -> None:
        self.blocks, self.noise = blocks, noise
        spectrum = self.spectrum = noise.spectrum
        self.known = variance
        if variance is not None:
            # Bins hold several channels, and are divided by the root of their width.
            self.known = float(variance) * blocks.shape[1] / len(spectrum.starts)
        self.rank = min(*spectrum.shape, _MOST)
        self.squares = spectrum.squares[: self.rank]
        self.left = spectrum.squares[self.rank :].sum()
        self.shift: dict[int, float] = {}
        self._bootstrap: Bootstrap | None = None

    @classmethod
    def of(cls, blocks: BlockMatrix, noise: NoiseModel) -> NoiseEdge:
        """The edge for data and their noise model, kept by the data.

        Parameters
        ----------
        blocks : BlockMatrix
            The data.
        noise : NoiseModel
            Noise model of the data.

        Returns
        -------
        NoiseEdge
            The same for all methods that ask.
        """
        return blocks.once(("edge", id(noise)), lambda: cls(blocks, noise))

    def edges(self, p: float = PROBABILITY, drawn: bool = True) -> NDArray:
        """What each square must exceed to be a component.

        Parameters
        ----------
        p : float, default 1e-3
            Probability with which noise exceeds it; a smaller one moves edges up.
        drawn : bool, default True
            Whether edges are moved to where counts that were drawn have them.

        Returns
        -------
        (rank,) array
            Edges in the units of the squares.
        """
        shape = self.spectrum.shape
        edges = edge.above_noise(
            self.squares,
            self.left,
            *shape,
            variance=self.known,
            most_variance=self.spectrum.most_variance,
            p=p,
        )[2]
        if self.noise.counts:
            # Counts have a mean, and its noise is known before anything is left over.
            variance = len(self.spectrum.row_scale) / shape[0]
            limit = variance * edge.noise_limit(*shape, p)
            edges[0] = min(edges[0], max(limit, 1e-12 * self.squares[0]))
        if not drawn:
            return edges
        # Beyond the last model that was drawn from, it is the best there is.
        last = self.shift[max(self.shift)] if self.shift else 0.0
        moved = [self.shift.get(k, last * (k > 0)) for k in range(self.rank)]
        return edges * (1 + np.array(moved))

    def count(self, p: float = PROBABILITY, drawn: bool = True) -> int:
        """Number of leading squares above their edges, or before the elbow.

        Parameters
        ----------
        p : float, default 1e-3
            Probability that noise is counted.
        drawn : bool, default True
            Whether squares of counts that are little above the edge of white noise are
            compared with counts drawn from the model of the components before them.

        Returns
        -------
        int
            The elbow of the scree where the noise is `NoiseModel.structured`.
        """
        if self.noise.structured:
            return self.noise.elbow
        return self.above(p, drawn)

    def above(self, p: float = PROBABILITY, drawn: bool = True) -> int:
        """Number of leading squares above their edges.

        Parameters
        ----------
        p : float, default 1e-3
            Probability that noise is counted.
        drawn : bool, default True
            Whether edges are moved to where counts that were drawn have them.

        Returns
        -------
        int
            Larger than `count` where the noise is structured.
        """
        drawn = drawn and self.noise.counts
        for k in range(self.rank):
            limit = self.edges(p, drawn)[k]
            if self.squares[k] <= limit:
                return k
            near = self.squares[k] < _CLEAR * limit
            if drawn and near and 0 < k < self.rank - 1 and k not in self.shift:
                self.shift[k] = max(self._model().shift(k), 0.0)
                if self.squares[k] <= self.edges(p, drawn)[k]:
                    return k
        return self.rank

    def variance(self, count: int) -> float:
        """Variance of the whitened noise.

        Parameters
        ----------
        count : int
            Number of components that are no noise.

        Returns
        -------
        float
            Mean square of what these components leave, or the known variance.
        """
        if self.known is not None:
            return self.known
        n, m = self.spectrum.shape
        tail = self.squares[count:].sum() + self.left
        return float(tail / max((n - count) * (m - count), 1))

    def _model(self) -> Bootstrap:
        if self._bootstrap is None:
            along = scores(self.blocks, self.spectrum, self.rank)
            self._bootstrap = Bootstrap(self.noise, along, _DRAWS)
        return self._bootstrap

    def probability(self, drawn: bool = True) -> NDArray:
        """Probability that noise exceeds each square, those before it being real.

        Parameters
        ----------
        drawn : bool, default True
            Whether edges are moved to where counts that were drawn have them.

        Returns
        -------
        (rank,) array
            Probabilities between 0 and 1.
        """
        n, m = self.spectrum.shape
        typical = self.edges(0.5, drawn)
        return np.array(
            [
                edge.noise_probability(
                    square / middle * edge.noise_limit(n - k, m - k, 0.5), n - k, m - k
                )
                for k, (square, middle) in enumerate(
                    zip(self.squares, typical, strict=True)
                )
            ]
        )

    def detectability(self, variance: float) -> float:
        """Smallest part of the signal's energy that is seen, at most all of it.

        Parameters
        ----------
        variance : float
            Variance of the whitened noise.

        Returns
        -------
        float
            Share of the energy of the whitened signal.
        """
        n, m = self.spectrum.shape
        signal = self.squares.sum() + self.left - n * m * variance
        least = variance * np.sqrt(n * m)
        return float(min(least / signal, 1.0)) if signal > 0 else 1.0


def count_components(
    blocks: BlockMatrix,
    noise: NoiseModel,
    most: int | None = None,
) -> int:
    """Number of components above the noise, by the edge that all methods use.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    noise : NoiseModel
        From `find_noise`, of the same data.
    most : int, optional
        Upper bound that was asked for. Default: 20, with a warning if there are more.

    Returns
    -------
    int
        At least one. One more pass over counts with a singular value near the edge.
    """
    count = max(NoiseEdge.of(blocks, noise).count(), 1)
    bound = min(MOST_COMPONENTS if most is None else most, *blocks.shape)
    if noise.structured:
        warnings.warn(
            "No edge divides signal and white noise in these data: what components "
            f"leave stays structured, however many there are. {count} components are "
            "the elbow of the singular values. Correlated noise, spectra that vary, "
            "drift or bad pixels (`check_data`) may be why; give n_components if it is "
            "known.",
            stacklevel=2,
        )
    if most is None and count > bound:
        warnings.warn(
            f"{count} components or more rise above the noise, but no more than "
            f"{bound} are looked for. Look for spikes, drift and bad pixels "
            "(`check_data`), or give n_components as a larger bound.",
            stacklevel=2,
        )
    return min(count, bound)

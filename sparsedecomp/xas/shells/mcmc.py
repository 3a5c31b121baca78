"""Monte Carlo sampling of supports by parallel tempering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...kernels.parallel_tempering import exchange_chains
from .spike_and_slab import SpikeAndSlab


@dataclass(frozen=True)
class SupportSample:
    """Posterior of the support of one spectrum.

    Attributes
    ----------
    inclusion : (p,) array
        Probability that each column is in the support.
    weights, spread : (p,) arrays
        Mean weight of each column given that it is in the support, and its standard
        deviation over supports and noise.
    log_evidence, size, log_variance : (n_sweeps,) arrays
        Traces of the chain at temperature one.
    accepted, exchanged : (n_replicas,) arrays
        Accepted fraction of the moves, and of the exchanges with the next replica.
    """

    inclusion: np.ndarray
    weights: np.ndarray
    spread: np.ndarray
    log_evidence: np.ndarray
    size: np.ndarray
    log_variance: np.ndarray
    accepted: np.ndarray
    exchanged: np.ndarray


def sample_supports(
    problem: SpikeAndSlab,
    y: np.ndarray,
    variances: Sequence[float] | np.ndarray,
    *,
    n_sweeps: int = 20000,
    n_replicas: int = 8,
    smallest_beta: float = 0.03,
    max_size: int = 16,
    random_state: int | np.random.Generator | None = None,
) -> SupportSample:
    """Sample supports and the noise level with the weights integrated out.

    Moves flip a column, shift one by up to five steps of the grid, or draw another
    noise variance; neighbouring replicas of a geometric ladder of temperatures are
    exchanged. The first fifth of the sweeps is discarded.

    Parameters
    ----------
    problem : SpikeAndSlab
        Columns and priors.
    y : (n,) array
        Coordinates of a spectrum.
    variances : sequence of float
        Noise variances, with equal prior probabilities.
    n_sweeps : int, default 20000
        Number of sweeps. The standard error falls with its square root.
    n_replicas : int, default 8
        Number of chains at different temperatures. Larger: more exchanges accepted.
    smallest_beta : float, default 0.03
        Inverse temperature of the hottest chain. Smaller: it crosses deeper minima,
        with fewer exchanges accepted.
    max_size : int, default 16
        Largest number of columns in a support.
    random_state : None, int or numpy.random.Generator
        Seed of the random numbers.

    Returns
    -------
    SupportSample
        Posterior probabilities and traces.

    Raises
    ------
    ValueError
        If there are fewer than ten sweeps or no replica.

    References
    ----------
    K. Hukushima and K. Nemoto, J. Phys. Soc. Jpn. 65 (1996) 1604.
    """
    if n_sweeps < 10 or n_replicas < 1:
        raise ValueError(
            f"n_sweeps={n_sweeps!r}, n_replicas={n_replicas!r}: give at least "
            "ten sweeps and one replica."
        )
    random = np.random.default_rng(random_state)
    p, burn = len(problem.r), n_sweeps // 5
    betas = np.geomspace(1, smallest_beta, n_replicas) if n_replicas > 1 else np.ones(1)
    inclusion, first, second = np.zeros((3, p))
    trace, moves = np.zeros((n_sweeps, 3)), np.zeros((n_replicas, 2))
    exchange_chains(
        problem.columns @ y,
        problem.gram,
        float(y @ y),
        len(y),
        problem.prior,
        problem.log_odds,
        betas,
        np.log(np.asarray(variances, dtype=float)),
        max_size,
        np.zeros((n_replicas, max_size), dtype=np.int64),
        np.zeros((n_replicas, 2), dtype=np.int64),
        random.random((n_sweeps, n_replicas + 1, 4)),
        burn,
        5,
        inclusion,
        first,
        second,
        trace,
        moves,
    )
    return SupportSample(
        inclusion,
        first,
        np.sqrt(np.maximum(second - first**2, 0)),
        *trace.T,
        *moves.T,
    )

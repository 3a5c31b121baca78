"""Samples the posterior of supports: replica exchange of Markov chains."""

from dataclasses import dataclass

import numpy as np

from ...kernels.parallel_tempering import exchange_chains


@dataclass(frozen=True)
class SupportSample:
    """Posterior of one spectrum's support.

    Attributes
    ----------
    inclusion : (p,) array
        Probability that a column is in the support.
    weights, spread : (p,) arrays
        Mean of a column's weight where it is in the support, and its standard
        deviation over both supports and noise.
    log_evidence, size, log_variance : (n_sweeps,) arrays
        Trace of the chain at temperature one.
    accepted, exchanged : (n_replicas,) arrays
        Accepted parts of the moves, and of the exchanges with the next replica.
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
    problem,
    y,
    variances,
    *,
    n_sweeps=20000,
    n_replicas=8,
    coldest=0.03,
    max_size=16,
    random_state=None,
):
    """Sample supports and the noise level with the weights integrated out.

    Moves flip a column, shift one by up to five steps of the grid, or draw another
    noise variance; neighbouring replicas of a geometric ladder of temperatures
    exchange. The first fifth of the sweeps is not counted.

    Parameters
    ----------
    problem : SpikeAndSlab
    y : (n,) array
        Coordinates of a spectrum.
    variances : sequence of float
        Noise variances, equally likely.
    n_sweeps : int, default 20000
    n_replicas : int, default 8
    coldest : float, default 0.03
        Smallest inverse temperature of the ladder.
    max_size : int, default 16
        Largest support.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    SupportSample

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
            f"n_sweeps={n_sweeps!r}, n_replicas={n_replicas!r}: give ten sweeps and "
            "one replica at least."
        )
    random = np.random.default_rng(random_state)
    p, burn = len(problem.r), n_sweeps // 5
    betas = np.geomspace(1, coldest, n_replicas) if n_replicas > 1 else np.ones(1)
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

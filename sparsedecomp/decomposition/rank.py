"""How many components there are, by several rules, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.iterate import uninterrupted
from sparsedecomp.noise import NOISE_MODELS, NoiseEdge, find_noise, scree, whiten
from sparsedecomp.noise.edge import PROBABILITY
from sparsedecomp.results import Result, Table, drawn_by

if TYPE_CHECKING:
    import dask.array as da
    import scipy.sparse

METHODS = (
    "bootstrap",
    "noise_edge",
    "gavish_donoho",
    "parallel_analysis",
    "minka",
    "ard",
    "robpca",
)
# Those that need no more than the Gram matrix.
_CHEAP = ("noise_edge", "gavish_donoho", "parallel_analysis", "minka")
# Probabilities for the ends of the interval: certainly there, and possibly there.
_CERTAIN, _POSSIBLE = 1e-4, 0.5


@dataclass(frozen=True, repr=False)
class RankEstimate(Result):
    """What `estimate_rank` found; ``plot`` draws the scree.

    Attributes
    ----------
    n_components : int
        The recommended number.
    interval : (int, int)
        Components that noise would imitate once in ten thousand times, and those that
        it would in one of two. Only the edge of the noise tells; for the other rules
        both are the recommended number.
    method : str
        Whose number is recommended.
    reason : str
        Why that one.
    table : dict of str to int
        Number of components by every method that was asked.
    singular_values : (r,) array
        Singular values of the whitened data, the scree.
    noise_edge : (r,) array
        What each of them had to exceed.
    probability : (r,) array
        That noise alone makes a singular value as large, all before it being real.
    detectability : float
        Part of the (weighted) energy of the signal that a component must have to be
        seen at all, however it is looked for (the limit of Baik, Ben Arous and Peche).
    noise_model : str
        "poisson", "uniform" or "estimated".
    noise_variance : float
        Variance of the noise of the whitened data; about one for counts.
    shape : (int, int)
        Pixels, and bins of channels, that were compared.
    passes : int
        Reads of the whole data.
    edge_found : bool
        Whether an edge divides signal and noise. Where none does, because what
        components leave is no white noise however many there are, the number is the
        elbow of the singular values, and the interval ends with all of them that are
        larger than white noise would make them.
    """

    n_components: int
    interval: tuple
    method: str
    reason: str
    table: dict
    singular_values: np.ndarray
    noise_edge: np.ndarray
    probability: np.ndarray
    detectability: float
    noise_model: str
    noise_variance: float
    shape: tuple
    passes: int = field(default=0)
    edge_found: bool = True

    plot = drawn_by("plot_rank")

    @property
    def summary(self) -> str:
        """Number, interval and method in one line."""
        low, high = self.interval
        return f"{self.n_components} components ({low} to {high}) by {self.method}"

    def _details(self) -> Iterator[str | Table]:
        yield f"Reason: {self.reason}."
        yield [
            ["method", "components"],
            *([name, f"{number}"] for name, number in self.table.items()),
        ]
        high = max(self.interval[1], self.n_components)
        columns = zip(
            range(1, high + 3),
            self.singular_values / self.noise_edge,
            self.probability,
            strict=False,
        )
        yield [
            ["component", "over the edge", "probability of noise"],
            *([f"{k}", f"{ratio:.3f}", f"{p:.1e}"] for k, ratio, p in columns),
        ]
        yield (
            f"Noise: {self.noise_model}; {self.shape[0]} pixels, {self.shape[1]} bins "
            f"of channels; {self.passes} passes."
        )
        yield (
            f"A component with less than {100 * self.detectability:.2g} % of the "
            "weighted signal cannot be seen in these data."
        )


def estimate_rank(
    data: ArrayLike | scipy.sparse.sparray | da.Array | BlockMatrix,
    method: str | Sequence[str] = "auto",
    *,
    noise: str = "auto",
    noise_variance: float | None = None,
    n_bins: int = 256,
    signal_dimension: int = 1,
    navigation_mask: ArrayLike | None = None,
    signal_mask: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> RankEstimate:
    """Estimate how many components data hold, from how many rise above the noise.

    The noise is made even first: pixels and channels of counts are weighted by their
    sums [1]_, others by what the leading components leave of them, and channels are
    put together in bins, of counts in bins that hold at least 1500 of them: with less,
    single counts look like components. One Gram matrix of the bins then gives the whole
    scree. Counted is from zero and not from the mean: the number of spectra whose
    mixtures make the data.

    The rules:

    "noise_edge"
        Singular values above what noise exceeds once in a thousand times (Johnstone's
        edge with the law of Tracy and Widom).
    "bootstrap"
        The same for counts, where a value near the edge is compared with counts drawn
        from the model of the components before it: Poisson noise of few counts, and
        weights that are only nearly right, move the edge by a few per cent.
    "gavish_donoho"
        The best number for a low-rank approximation; weaker components are real but
        do not repay their noise.
    "parallel_analysis"
        Values above those of the same rank in noise.
    "minka"
        Bayesian evidence. It assumes Gaussian noise that is exactly even, and
        overestimates otherwise.
    "ard"
        Components that `NMFSOARD` keeps; several more passes.
    "robpca"
        Directions above the noise that three quarters of the pixels have, see
        `robust_pca`; four more passes. Rare phases do not count.

    What they can decide: how many directions the noise cannot explain. A drift of the
    energy axis, saturation, or a peak that shifts are such directions too. What they
    cannot: find a component below ``detectability``, for which no method exists, or
    tell whether two phases always come in one proportion.

    Parameters
    ----------
    data : array, SciPy sparse matrix, dask array or BlockMatrix
        Navigation axes first, then the signal axes. A dask array is read in its own
        chunks.
    method : str or sequence of str, default "auto"
        One or several of the rules, or "all". "auto" recommends "bootstrap" for counts,
        "ard" for data whose negative noise was set to zero, which the others count, and
        "noise_edge" for all others, and lists the rules that cost nothing more. Of
        several, the first is recommended.
    noise : {"auto", "uniform", "poisson", "estimated"}
        "poisson" for counts, "uniform" for even noise, "estimated" for noise that
        differs between channels and pixels. "auto" takes "poisson" for whole numbers
        and their multiples, "uniform" for data that were scaled already.
    noise_variance : float, optional
        Variance of the noise of an entry, if it is known; with ``noise="uniform"``
        only.
    n_bins : int, default 256
        Most bins of channels; the memory for a block grows with its square.
    signal_dimension : int, default 1
        Number of signal axes.
    navigation_mask, signal_mask : bool array, optional
        Masks of the navigation and of the signal shape; True leaves a pixel or a
        channel out.
    random_state : int, RandomState instance or None, default 0
        Seed of what is drawn.

    Returns
    -------
    RankEstimate
        Readable when printed.

    Raises
    ------
    ValueError
        For unknown methods, for data that are zero or not finite or have fewer than
        two pixels, and for negative data where counts are needed.

    Notes
    -----
    Two passes over counts, and a third if a singular value lies near the edge; three
    over other data, and up to three more if their noise differs between pixels. On 48
    draws of two simulated specimens of four phases, 5 to 10,000 counts a pixel, the
    bootstrap found what is above the detectability in 44 and one less in four, all at
    5 counts a pixel.

    References
    ----------
    .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import estimate_rank
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.3, 0.3, 0.3], 500)
    >>> peaks = 3 + 100 * np.exp(-0.1 * (np.arange(60) - [[15], [30], [45]]) ** 2)
    >>> found = estimate_rank(rng.poisson(maps @ peaks))
    >>> found.n_components, found.interval, found.method
    (3, (3, 3), 'bootstrap')
    """
    asked = _methods(method)
    if noise not in NOISE_MODELS:
        raise ValueError(
            f"noise={noise!r} was given, expected one of "
            f"{', '.join(map(repr, NOISE_MODELS))}."
        )
    if noise_variance is not None and noise != "uniform":
        raise ValueError(
            f"noise_variance={noise_variance} was given with noise={noise!r}, which "
            "finds the variance itself. Use noise='uniform' with it."
        )
    if n_bins < 1:
        raise ValueError(f"n_bins = {n_bins} was given, expected at least 1.")
    blocks = as_blocks(
        data, signal_dimension, navigation_mask, signal_mask, sparse=True
    )
    if blocks.shape[0] < 2:
        raise ValueError(
            f"The data have {blocks.shape[0]} pixel, expected at least 2: one spectrum "
            "is its own only component."
        )
    before = blocks.passes
    generator = np.random.default_rng(check_random_state(random_state).randint(2**31))
    model = find_noise(blocks, noise, n_bins=n_bins)
    counts = model.counts
    if not asked:
        first = ("bootstrap",) if counts else ("ard",) if model.clipped else ()
        asked = first + _CHEAP
    elif "bootstrap" in asked and not counts and method != "all":
        raise ValueError(
            f"method='bootstrap' draws counts, but the noise is {model.kind}. "
            "Use method='noise_edge', or noise='poisson' for counts."
        )
    asked = [name for name in asked if counts or name != "bootstrap"]
    edge = NoiseEdge.of(blocks, model)
    if noise_variance is not None:
        edge = NoiseEdge(blocks, model, noise_variance)
    table = {name: _by(name, edge, blocks, generator) for name in asked}
    chosen = asked[0]
    n_components = table[chosen]
    drawn = chosen == "bootstrap"
    ends = [n_components]
    if chosen in ("bootstrap", "noise_edge"):
        ends += [edge.count(p, drawn) for p in (_CERTAIN, _POSSIBLE)]
        if model.structured:
            ends.append(edge.above(_POSSIBLE, drawn))
    variance = edge.variance(n_components)
    return RankEstimate(
        n_components=n_components,
        interval=(min(ends), max(ends)),
        method=chosen,
        reason=_reason(method, model),
        table=table,
        singular_values=np.sqrt(edge.squares),
        noise_edge=np.sqrt(edge.edges(PROBABILITY, drawn)),
        probability=edge.probability(drawn),
        detectability=edge.detectability(variance),
        noise_model=model.kind,
        noise_variance=variance,
        shape=tuple(int(size) for size in model.spectrum.shape),
        passes=blocks.passes - before,
        edge_found=not model.structured,
    )


def _methods(method):
    """The rules that were asked for by name, none for "auto"."""
    if isinstance(method, str) and method == "auto":
        return ()
    if isinstance(method, str) and method == "all":
        return METHODS
    names = (method,) if isinstance(method, str) else tuple(method)
    for name in names:
        if name not in METHODS:
            raise ValueError(
                f"method={name!r} was given, expected 'auto', 'all' or one or several "
                f"of {', '.join(map(repr, METHODS))}."
            )
    return names


def _reason(method, noise):
    if method != "auto":
        return "asked for"
    if noise.clipped:
        return "the noise was cut off at zero, which this one models"
    if noise.structured:
        return "no edge divides signal and noise, this is the elbow of the scree"
    return {
        "poisson": "the data are counts, whose noise is known",
        "uniform": "the data are no counts, their noise is taken to be even",
        "estimated": "the data are no counts, their noise was estimated",
    }[noise.kind]


def _by(name, edge, blocks, generator):
    """Number of components by one rule."""
    n, m = edge.spectrum.shape
    if name in ("noise_edge", "bootstrap"):
        return edge.count(drawn=name == "bootstrap")
    if name == "gavish_donoho":
        variance = edge.variance(edge.count(drawn=False))
        return scree.gavish_donoho(edge.squares, n, m, variance)
    if name == "minka":
        return scree.minka(edge.squares, edge.left, n, m)
    if name == "parallel_analysis":
        return scree.parallel_analysis(edge.squares, edge.left, n, m, generator)
    seed = int(generator.integers(2**31))
    if name == "ard":
        from sparsedecomp.decomposition.nmf.nmf_so import NMFSOARD

        model = NMFSOARD(random_state=seed).fit(blocks)
        return uninterrupted(model).n_components_
    from sparsedecomp.noise.robust_pca import robust_pca

    low = whiten(blocks, 30, noise=edge.noise, random_state=seed).low_rank
    return robust_pca(low, random_state=seed).n_components

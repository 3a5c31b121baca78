"""Site of an atom from the ratio of two distances, or from the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from .map_refinement import ShellFit, refine
from .model import ShellModel
from .sparse_fit import SparseEXAFS

SITES = {"tetrahedral": np.sqrt(8 / 3), "octahedral": np.sqrt(2)}
# Number of sites around an absorber of the lattice, and of its nearest absorbers.
PLACES = {"tetrahedral": (8, 12), "octahedral": (6, 12)}


def site_probabilities(
    near: tuple[float, float],
    far: tuple[float, float],
    sites: Mapping[str, float] | None = None,
    *,
    tolerance: float = 0.02,
) -> dict[str, float]:
    """Posterior probabilities of sites, from the distances of the first two shells.

    In a face-centred cubic lattice of absorbers, the distance of the next absorbers is
    sqrt(8/3) = 1.633 times that of atoms in tetrahedral sites, and sqrt(2) = 1.414
    times that of atoms in octahedral sites.

    Parameters
    ----------
    near, far : (float, float)
        Distance in angstrom and its standard deviation, for the light atoms and for
        the absorbers.
    sites : dict of str to float, optional
        Ratio of the distances for each site, with equal prior probabilities;
        tetrahedral and octahedral by default.
    tolerance : float, default 0.02
        Standard deviation of the ratio due to errors of the theory for light atoms and
        to distorted lattices. Larger: less decided probabilities.

    Returns
    -------
    dict of str to float
        Posterior probability of each site, among those given.

    Examples
    --------
    >>> from sparsedecomp.xas.shells.sites import site_probabilities
    >>> p = site_probabilities((2.074, 0.011), (2.954, 0.006))
    >>> max(p, key=p.get)
    'octahedral'
    """
    sites = sites or SITES
    ratio = far[0] / near[0]
    variance = ratio**2 * ((far[1] / far[0]) ** 2 + (near[1] / near[0]) ** 2)
    spread = np.sqrt(variance + tolerance**2)
    logs = [-0.5 * ((ratio - expected) / spread) ** 2 for expected in sites.values()]
    return _normalised(sites, logs)


def site_evidence(
    fit: SparseEXAFS,
    near: str,
    far: str,
    sites: Mapping[str, float] | None = None,
    *,
    places: Mapping[str, tuple[float, float]] | None = None,
    tolerance: float = 0.05,
) -> dict[str, float]:
    r"""Posterior probabilities of sites, from the evidence of a shell at each ratio.

    Each site is a model: one shell of the near atoms, and one of the far atoms whose
    distance is a known ratio times that of the near ones, with a normal error. This
    prior makes the decision possible at noise levels at which a search over all
    distances finds the near shell only. The lattice also limits the numbers of atoms,
    which makes broad shells of many atoms, which would fit noise, improbable.

    The far shell is refined from the distance that the site predicts, and the evidence
    of the free model (Laplace's approximation, uniform prior of intensity :math:`\nu`
    of the distance) becomes

    .. math:: \log p(y | \text{site}) = \log p(y | R_1, R_2) - \log \nu
       + \log N(R_2; \rho R_1, \tau R_1)

    since the data determine the distance more accurately than the site does. Where the
    far shell vanishes, the evidence is that without it less the Occam factor
    1/2 log(1 + d x'x / v) of its column x.

    Parameters
    ----------
    fit : SparseEXAFS
        Estimator fitted with a FEFF basis. Its mean spectrum is used.
    near, far : str
        Symbols of the light atom and of the absorber, which must be channels of the
        basis.
    sites : dict of str to float, optional
        Ratio of the distances for each site, with equal prior probabilities;
        tetrahedral and octahedral by default.
    places : dict of str to (float, float), optional
        Numbers of near and far atoms in the lattice of each site, used as standard
        deviations of the prior of the numbers of atoms. By default 8 and 12 for
        tetrahedral, 6 and 12 for octahedral, and the prior of the fit for other sites.
    tolerance : float, default 0.05
        Standard deviation of the ratio of distances, a quarter of the difference
        between tetrahedral and octahedral. Larger: distorted lattices are accepted;
        smaller: a site may be rejected in favour of noise.

    Returns
    -------
    dict of str to float
        Posterior probability of each site, among those given. Odds of three to one are
        "positive", of twenty to one "strong" evidence (Kass and Raftery, J. Am. Stat.
        Assoc. 90 (1995) 773); lower odds decide nothing.

    Raises
    ------
    ValueError
        If the fit has no FEFF basis, or the basis lacks one of the atoms.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import FeffBasis, SparseEXAFS, site_evidence
    >>> basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)
    >>> k = np.arange(1, 281) * 0.05
    >>> chi = 6 * basis.channels[0].columns(k, 2.08, sigma2=0.006)[0]
    >>> chi += 12 * basis.channels[1].columns(k, 2.95, sigma2=0.006)[0]
    >>> p = site_evidence(SparseEXAFS(basis).fit(chi, k), "O", "Ni")
    >>> max(p, key=p.get)
    'octahedral'
    """
    sites = sites or SITES
    places = PLACES if places is None else places
    if fit.model_ is None:
        raise ValueError(
            "Sites are compared with shells of a FEFF basis, and this fit has none: "
            "fit with a FeffBasis."
        )
    model, y = fit.model_, fit.mean_coordinates_
    labels = [channel.label for channel in model.channels]
    for symbol in (near, far):
        if symbol not in labels:
            raise ValueError(
                f"{symbol!r} is no channel of the basis ({', '.join(labels)}): name an "
                "element that the basis was made for."
            )
    channel_index = np.array([labels.index(near), labels.index(far)])
    initial = _initial_distances(model, channel_index[0], fit.mean_fit_)
    common = fit.mean_fit_.p[:3]
    alone = max(
        (
            refine(model, y, _parameters(common, [r]), channel_index[:1])
            for r in initial
        ),
        key=lambda fit: fit.log_evidence,
    )
    r = model.shells(alone.p)[0][0]
    logs = []
    for name, ratio in sites.items():
        density = np.full(2, model.prior.density)
        if name in places:
            density = places[name] / np.array([r, ratio * r]) ** 2
        one, two = (_with_density(model, density[:n]) for n in (1, 2))
        alone = refine(one, y, _parameters(common, [r]), channel_index[:1])
        # Initial distances within half a wave, a tenth of an angstrom, of each other.
        pairs = [
            refine(two, y, _parameters(common, [r, place]), channel_index)
            for place in r * (ratio + tolerance * np.linspace(-3, 3, 7))
        ]
        logs.append(
            max(
                *(_with_far(two, pair, ratio, tolerance) for pair in pairs),
                _without_far(one, alone, ratio, channel_index[1:], density[1]),
            )
        )
    return _normalised(sites, logs)


def _initial_distances(
    model: ShellModel, channel: int, mean_fit: ShellFit
) -> Sequence[float] | np.ndarray:
    """Distance of the nearest shell of a channel; a grid where there is none."""
    found = model.shells(mean_fit.p)[0][mean_fit.channel_index == channel]
    low, high = model.r_limits[channel]
    return [found.min()] if len(found) else np.arange(low, min(low + 1.5, high), 0.1)


def _with_density(model: ShellModel, density: Any) -> ShellModel:
    """Copy of a model with a standard deviation of N / R^2 for each shell."""
    own = copy(model)
    own.prior = replace(model.prior, density=density)
    return own


def _with_far(
    model: ShellModel, pair: ShellFit, ratio: float, tolerance: float
) -> float:
    first, second = model.shells(pair.p)[0]
    spread = tolerance * first
    away = (second - ratio * first) / spread
    density = -0.5 * away**2 - np.log(spread * np.sqrt(2 * np.pi))
    return pair.log_evidence + density - np.log(model.intensity)


def _without_far(
    model: ShellModel,
    alone: ShellFit,
    ratio: float,
    channel: np.ndarray,
    density: float,
) -> float:
    place = ratio * model.shells(alone.p)[0][0]
    x = place**2 * model.columns(_parameters(alone.p[:3], [place]), channel)[0, 0]
    information = density**2 * (x @ x) / alone.variance
    return alone.log_evidence - 0.5 * np.log1p(information)


def _parameters(common: np.ndarray, r: Sequence[float]) -> np.ndarray:
    """Initial parameters of shells at some distances."""
    return np.concatenate([common, r, 0.6 * np.ones(len(r)), np.zeros(2 * len(r))])


def _normalised(sites: Mapping[str, float], logs: Sequence[float]) -> dict[str, float]:
    logs = np.array(logs) - np.logaddexp.reduce(logs)
    return dict(zip(sites, np.exp(logs).tolist(), strict=True))

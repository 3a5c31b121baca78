"""Which site does an atom occupy? The ratio of two distances, or the evidence."""

from copy import copy
from dataclasses import replace

import numpy as np

from .map_refinement import refine

SITES = {"tetrahedral": np.sqrt(8 / 3), "octahedral": np.sqrt(2)}
# Sites around an absorber of the lattice, and its nearest absorbers.
PLACES = {"tetrahedral": (8, 12), "octahedral": (6, 12)}


def site_probabilities(near, far, sites=None, *, tolerance=0.02):
    """Which site an atom occupies, from the distances of its first two shells.

    In a face-centred cubic lattice of absorbers the atoms in its tetrahedral sites
    are sqrt(8/3) = 1.633 times closer than the next absorbers, those in the octahedral
    sites sqrt(2) = 1.414 times.

    Parameters
    ----------
    near, far : (float, float)
        Distance in angstrom and its standard deviation: of the light atoms, and of
        the absorbers.
    sites : dict of str to float, optional
        Ratio of the distances for each site, all equally likely beforehand;
        tetrahedral and octahedral by default.
    tolerance : float, default 0.02
        Standard deviation of the ratio that is due to FEFF6L's distances of light
        atoms, some 0.03 angstrom short, and to distorted lattices.

    Returns
    -------
    dict of str to float
        Posterior probability of each site, among these.

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


def site_evidence(fit, near, far, sites=None, *, places=None, tolerance=0.05):
    r"""Which site an atom occupies, by the evidence for a shell where each puts it.

    Each site is a model of its own: one shell of the near atoms, and one of the far
    atoms whose distance is known beforehand, a ratio times that of the near ones with
    a normal error. That is a sharper question than where shells are in general, and
    has an answer in noise in which a search of all distances finds only the near
    shell. A lattice also has room for so many atoms: more are improbable, and with
    them the broad, crowded shells that would fit noise at a wrong place.

    The far shell is polished from where the site puts it, and the evidence of the free
    model (Laplace's approximation, flat prior of intensity :math:`\nu` of the
    distance) becomes

    .. math:: \log p(y | \text{site}) = \log p(y | R_1, R_2) - \log \nu
       + \log N(R_2; \rho R_1, \tau R_1)

    since the data know the distance better than the site does. Where no atoms fit
    there, it is the evidence without the far shell less the Occam factor
    1/2 log(1 + d x'x / v) of a column x that was given room and not used.

    Parameters
    ----------
    fit : SparseEXAFS
        After `SparseEXAFS.fit` with a FEFF basis. The mean spectrum is asked.
    near, far : str
        Symbols of the light atom and of the absorber, channels of the basis.
    sites : dict of str to float, optional
        As in `site_probabilities`.
    places : dict of str to (float, float), optional
        How many near and far atoms each site's lattice has room for, for the sites of
        which that is known: standard deviations of the numbers of atoms. By default
        8 and 12 for tetrahedral, 6 and 12 for octahedral, and the prior of the fit for
        other sites.
    tolerance : float, default 0.05
        Standard deviation of the ratio of distances. A quarter of what lies between
        tetrahedral and octahedral: lattices are distorted, the particles of UO2 in
        the tests have the ratio 1.69, and a site that is forbidden by its tolerance
        leaves noise as the better explanation.

    Returns
    -------
    dict of str to float
        Posterior probability of each site, among these. Odds of three to one are
        "positive", of twenty to one "strong" evidence (Kass and Raftery, J. Am. Stat.
        Assoc. 90 (1995) 773); nearer to even nothing is decided.

    Raises
    ------
    ValueError
        If the fit has no FEFF basis, or the basis no such atoms.

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
    starts = _starts(model, channel_index[0], fit.mean_fit_)
    common = fit.mean_fit_.p[:3]
    alone = max(
        (refine(model, y, _parameters(common, [r]), channel_index[:1]) for r in starts),
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
        # A shell is found from within a half wave, a tenth of an angstrom, of it.
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


def _starts(model, channel, mean_fit):
    """The nearest shell of a channel that was found; a grid where there is none."""
    found = model.shells(mean_fit.p)[0][mean_fit.channel_index == channel]
    low, high = model.r_limits[channel]
    return [found.min()] if len(found) else np.arange(low, min(low + 1.5, high), 0.1)


def _with_density(model, density):
    """The model with a standard deviation of N / R^2 for each shell."""
    own = copy(model)
    own.prior = replace(model.prior, density=density)
    return own


def _with_far(model, pair, ratio, tolerance):
    first, second = model.shells(pair.p)[0]
    spread = tolerance * first
    away = (second - ratio * first) / spread
    density = -0.5 * away**2 - np.log(spread * np.sqrt(2 * np.pi))
    return pair.log_evidence + density - np.log(model.intensity)


def _without_far(model, alone, ratio, channel, density):
    place = ratio * model.shells(alone.p)[0][0]
    x = place**2 * model.columns(_parameters(alone.p[:3], [place]), channel)[0, 0]
    information = density**2 * (x @ x) / alone.variance
    return alone.log_evidence - 0.5 * np.log1p(information)


def _parameters(common, r):
    """Shells at distances, to start from."""
    return np.concatenate([common, r, 0.6 * np.ones(len(r)), np.zeros(2 * len(r))])


def _normalised(sites, logs):
    logs = np.array(logs) - np.logaddexp.reduce(logs)
    return dict(zip(sites, np.exp(logs).tolist(), strict=True))

"""Which algorithms `decomposition` knows by name, and what each of them needs.

Adding an algorithm takes one entry of :data:`ALGORITHMS`. This module is imported
together with HyperSpy, so it imports nothing; the estimators are loaded on use.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any, NamedTuple

# Results that every estimator of a non-negative factorisation has.
_HISTORY = {
    "objective_history": "objective_history_",
    "relative_residual": "relative_residual_",
    "noise_variance": "noise_variance_",
}


class Algorithm(NamedTuple):
    """One choice of ``decomposition(algorithm=...)``.

    Attributes
    ----------
    name : str
        Name of the algorithm in lower snake case; users may write it as `find` says.
    target : str
        ``"module:Class"`` of an estimator with ``fit_transform``, ``transform`` and
        ``components_``, which takes ``n_components`` and ``callback``.
    summary : str
        One-line description.
    needs_dimension : bool
        Whether ``output_dimension`` must be given.
    per_component : dict of str to str
        Estimator attributes that hold one number per component, in the order of the
        estimator's components, by their name in ``learning_results``.
    extras : dict of str to str
        Estimator attributes of any shape, by their name in ``learning_results``.
    weighs_counts : bool, default False
        Whether the loss is that of counts, which must not be scaled before.
    per_pixel : dict of str to str, default {}
        Estimator attributes that hold one number per pixel, by their name in
        ``learning_results``; they are stored as maps, NaN where masked.
    """

    name: str
    target: str
    summary: str
    needs_dimension: bool
    per_component: dict[str, str]
    extras: dict[str, str]
    weighs_counts: bool = False
    per_pixel: dict[str, str] = {}

    def load(self) -> Any:
        """Import the estimator class and return it."""
        return resolve_name(self.target)


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm(
            name="nmf_so",
            target="sparsedecomp.decomposition:NMFSO",
            summary="non-negative factorisation with soft orthogonality of the maps",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
        Algorithm(
            name="nmf_so_ard",
            target="sparsedecomp.decomposition:AutomaticUnmixing",
            summary="the number of components above the noise, and of all spectra that "
            "fit as well the most likely ones; cosmic rays and energy drift are taken "
            "into account, and what speaks against the answer is said. "
            "`output_dimension` is only an upper bound",
            needs_dimension=False,
            per_component={"ard_relevance": "relevance_"},
            extras={**_HISTORY, "spikes": "spikes_"},
            per_pixel={"energy_drift": "energy_drift_"},
        ),
        Algorithm(
            name="nmf_kl",
            target="sparsedecomp.decomposition:PoissonNMF",
            summary="non-negative factorisation of counts by their Poisson likelihood, "
            "with the maps integrated over",
            needs_dimension=True,
            per_component={},
            extras={**_HISTORY, "deviance": "deviance_"},
            weighs_counts=True,
        ),
        Algorithm(
            name="nmf_kl_ard",
            target="sparsedecomp.decomposition:PoissonNMFARD",
            summary="Poisson likelihood as in nmf_kl, the number of components from "
            "automatic relevance determination; `output_dimension` is an upper bound",
            needs_dimension=False,
            per_component={"ard_relevance": "relevance_"},
            extras={**_HISTORY, "deviance": "deviance_"},
            weighs_counts=True,
        ),
        Algorithm(
            name="vca",
            target="sparsedecomp.decomposition:VCA",
            summary="vertex component analysis: spectra of the purest pixels",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
        Algorithm(
            name="sss_vca",
            target="sparsedecomp.decomposition:SSSVCA",
            summary="corners of the cone of all non-negative spectra (signal subspace "
            "sampling and VCA); without `output_dimension`, robust principal "
            "components find the number",
            needs_dimension=False,
            per_component={"unmixing_band": "band_"},
            extras=_HISTORY,
            per_pixel={
                "outlier_distance": "outlier_distance_",
                "score_distance": "score_distance_",
            },
        ),
        Algorithm(
            name="min_volume",
            target="sparsedecomp.decomposition:MinimumVolume",
            summary="simplex of smallest volume that contains the pixels up to their "
            "noise; no pixel needs to be pure",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
        Algorithm(
            name="simplex_ml",
            target="sparsedecomp.decomposition:SimplexML",
            summary="simplex of maximum likelihood for the distribution of the pixels; "
            "no pixel needs to be pure, and rare phases count. Without "
            "`output_dimension`, the number is that of components above the noise",
            needs_dimension=False,
            per_component={},
            extras=_HISTORY,
        ),
        Algorithm(
            name="mcr_als",
            target="sparsedecomp.decomposition:MCRALS",
            summary="multivariate curve resolution by alternating least squares, with "
            "closure, unimodality, `known_spectra` and `known_maps` as constraints",
            needs_dimension=True,
            per_component={
                "known_component": "known_",
                "has_known_spectrum": "known_spectra_",
                "has_known_map": "known_maps_",
            },
            extras={**_HISTORY, "lack_of_fit": "lack_of_fit_"},
        ),
        Algorithm(
            name="cpd",
            target="sparsedecomp.decomposition:CPD",
            summary="canonical polyadic decomposition (PARAFAC) of a series of "
            "spectrum images: one map, one spectrum and one profile along every other "
            "axis for each component; `modes` groups the axes",
            needs_dimension=True,
            per_component={"tensor_weights": "weights_"},
            extras={**_HISTORY, "core_consistency": "core_consistency_"},
        ),
        Algorithm(
            name="tucker",
            target="sparsedecomp.decomposition:Tucker",
            summary="Tucker decomposition, the best approximation of a tensor with a "
            "given rank of every mode (`ranks`); its factors span subspaces and are no "
            "components",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
    )
}

# Attributes of `learning_results` that algorithms of this package set and that those of
# HyperSpy would not overwrite.
EXTRAS = sorted(
    {"verdict", "component_names"}
    | {
        name
        for a in ALGORITHMS.values()
        for name in (*a.per_component, *a.extras, *a.per_pixel)
    }
)


def find(name: object) -> Algorithm | None:
    """Return the algorithm of a name, or None if it is not one of this package.

    Parameters
    ----------
    name : object
        Value of ``algorithm``: an estimator, or a name in any case, with hyphens,
        spaces or nothing in place of the underscores.

    Returns
    -------
    Algorithm or None
        Entry of the table.

    Examples
    --------
    >>> find("NMF-SO-ARD").name
    'nmf_so_ard'
    >>> find("SVD") is None
    True
    """
    return _BY_SPELLING.get(_spelling(name)) if isinstance(name, str) else None


def _spelling(name: str) -> str:
    return name.lower().translate(_WITHOUT_SEPARATORS)


_WITHOUT_SEPARATORS = str.maketrans("", "", "-_ ")
_BY_SPELLING = {_spelling(name): algorithm for name, algorithm in ALGORITHMS.items()}

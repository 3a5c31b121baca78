"""Which algorithms `decomposition` knows by name, and what each of them needs.

Adding an algorithm takes one entry of :data:`ALGORITHMS`. This module is imported
together with HyperSpy, so it imports nothing; the estimators are loaded on use.
"""

from collections import namedtuple
from importlib import import_module

# What every estimator of a non-negative factorisation reports of its fit.
_HISTORY = {
    "objective_history": "objective_history_",
    "relative_residual": "relative_residual_",
    "noise_variance": "noise_variance_",
}


class Algorithm(
    namedtuple(
        "Algorithm",
        "name target summary needs_dimension per_component extras weighs_counts "
        "per_pixel",
        defaults=(False, {}),
    )
):
    """One choice of ``decomposition(algorithm=...)``.

    Attributes
    ----------
    name : str
        What the user types, in lower snake case; matched without regard to case.
    target : str
        ``"module:Class"`` of an estimator with ``fit_transform``, ``transform`` and
        ``components_``, which takes ``n_components`` and ``callback``.
    summary : str
        One line for docstrings and error messages.
    needs_dimension : bool
        Whether ``output_dimension`` must be given.
    per_component : dict of str to str
        Attribute of ``learning_results`` -> estimator attribute that holds one
        number per component, in the order of the estimator's components.
    extras : dict of str to str
        Attribute of ``learning_results`` -> estimator attribute of any shape.
    weighs_counts : bool
        Whether the loss is that of counts, which must not be scaled before.
    per_pixel : dict of str to str
        Attribute of ``learning_results`` -> estimator attribute that holds one number
        per pixel; it is stored as a map, NaN where masked.
    """

    __slots__ = ()

    def load(self):
        """Import the estimator class and return it."""
        module, _, name = self.target.partition(":")
        return getattr(import_module(module), name)


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
            target="sparsedecomp.decomposition:NMFSOARD",
            summary="the same, and the number of components is found by automatic "
            "relevance determination; `output_dimension` is only its upper bound",
            needs_dimension=False,
            per_component={"ard_relevance": "relevance_"},
            extras=_HISTORY,
        ),
        Algorithm(
            name="nmf_kl",
            target="sparsedecomp.decomposition:PoissonNMF",
            summary="factorisation of counts by their Poisson likelihood; the maps are "
            "integrated over",
            needs_dimension=True,
            per_component={},
            extras={**_HISTORY, "deviance": "deviance_"},
            weighs_counts=True,
        ),
        Algorithm(
            name="nmf_kl_ard",
            target="sparsedecomp.decomposition:PoissonNMFARD",
            summary="the same, and the number of components is found by automatic "
            "relevance determination; `output_dimension` is only its upper bound",
            needs_dimension=False,
            per_component={"ard_relevance": "relevance_"},
            extras={**_HISTORY, "deviance": "deviance_"},
            weighs_counts=True,
        ),
        Algorithm(
            name="vca",
            target="sparsedecomp.decomposition:VCA",
            summary="vertex component analysis: the purest pixels are the components",
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
            summary="the smallest simplex that holds the pixels but for their noise; "
            "no pixel needs to be pure",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
        Algorithm(
            name="simplex_ml",
            target="sparsedecomp.decomposition:SimplexML",
            summary="the simplex under which the cloud of pixels is most likely; no "
            "pixel needs to be pure, and rare phases count. Without "
            "`output_dimension`, the edge of the noise tells the number",
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
            "axis for each component; `modes` says which axes belong together",
            needs_dimension=True,
            per_component={"tensor_weights": "weights_"},
            extras={**_HISTORY, "core_consistency": "core_consistency_"},
        ),
        Algorithm(
            name="tucker",
            target="sparsedecomp.decomposition:Tucker",
            summary="Tucker decomposition, the best compression of a tensor with a "
            "rank (`ranks`) for every mode; its factors are a basis, no components",
            needs_dimension=True,
            per_component={},
            extras=_HISTORY,
        ),
    )
}

# Attributes that a decomposition of ours leaves in `learning_results` and that no
# decomposition of HyperSpy's would overwrite.
EXTRAS = sorted(
    {
        name
        for a in ALGORITHMS.values()
        for name in (*a.per_component, *a.extras, *a.per_pixel)
    }
)


def find(name):
    """Return the algorithm of that name, or None when it is not one of ours.

    Parameters
    ----------
    name : object
        What was given as ``algorithm``: a name in any case, or an estimator.

    Returns
    -------
    Algorithm or None

    Examples
    --------
    >>> find("NMF_SO_ARD").needs_dimension
    False
    >>> find("SVD") is None
    True
    """
    return ALGORITHMS.get(name.lower()) if isinstance(name, str) else None

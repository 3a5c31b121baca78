"""Which methods `denoise` and `inpaint` know by name, and what each of them needs.

Adding a method takes a function of maps with white noise in a module of this package
and one entry of :data:`METHODS` or of :data:`INPAINTERS`. The functions are imported
when they are first used.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparsedecomp.superresolution.method_table import Entry, MethodTable

_PRIORS = "sparsedecomp.restoration.priors:"
_INPAINTERS = "sparsedecomp.restoration.inpainters:"


@dataclass(frozen=True, kw_only=True)
class Denoiser(Entry):
    """One spatial prior for maps with white noise of variance one.

    The function is ``function(Z, **parameters)`` with maps (rows, columns, factors) and
    returns maps of the same shape. A parameter whose default is None is chosen by the
    data held out.

    Attributes
    ----------
    start : dict of str to tuple of float
        Values that are tried first for each parameter that is chosen; the best of them
        is refined by steps of `factor` while the prediction gets better.
    factor : float
        Ratio of the values of the first parameter that are compared.
    in_auto : bool
        Whether ``method="auto"`` tries it.
    in_mixture : bool
        Whether it may have a share beside others. A baseline has none: at few counts
        its share would be chance.
    after : str
        Method whose parameters of the same names it takes over where they are None.
    """

    start: dict[str, tuple[float, ...]]
    factor: float = 1.4
    in_auto: bool = True
    in_mixture: bool = True
    after: str = ""


METHODS = MethodTable(
    Denoiser(
        name="auto",
        target="",
        summary="the mixture of the methods below that predicts best what is held out",
        start={},
        in_auto=False,
    ),
    Denoiser(
        name="tv",
        target=_PRIORS + "contrast_total_variation",
        summary="vectorial total variation: flat phases with sharp, common borders",
        parameters={"weight": None},
        start={"weight": (5.0,)},
    ),
    Denoiser(
        name="nlm",
        target=_PRIORS + "nonlocal_means",
        summary="joint non-local means: what repeats, such as a lattice",
        parameters={"bandwidth": None, "patch": None, "search": 9},
        start={"bandwidth": (0.8,), "patch": (2, 4)},
    ),
    Denoiser(
        name="dictionary",
        target=_PRIORS + "dictionary",
        summary="patches as few atoms that are learnt from the maps by K-SVD",
        parameters={"gain": None, "size": None, "n_iter": 8, "seed": 0},
        start={"gain": (1.1,), "size": (6, 8)},
        factor=1.06,
    ),
    Denoiser(
        name="gaussian",
        target=_PRIORS + "gaussian",
        summary="Gaussian blur of all maps",
        parameters={"sigma": None},
        start={"sigma": (1.0,)},
        in_mixture=False,
    ),
    Denoiser(
        name="pca",
        target=_PRIORS + "none",
        summary="the subspace alone, pixel by pixel: principal components of whitened "
        "data",
        start={},
        in_mixture=False,
    ),
    Denoiser(
        name="wavelets",
        target=_PRIORS + "wavelets",
        summary="shrinkage of wavelet coefficients over all shifts; needs PyWavelets",
        parameters={"weight": None, "wavelet": "sym4"},
        start={"weight": (1.7,)},
        in_auto=False,
    ),
    Denoiser(
        name="pixon",
        target="sparsedecomp.restoration.pixons:pixon_maps",
        summary="pixons of a size that fits each place: weak lines on a smooth "
        "background; slow for images",
        parameters={"false_alarm": 0.05},
        start={},
        in_auto=False,
    ),
)

# A function of INPAINTERS is ``function(Z, measured, **parameters)``.
INPAINTERS = MethodTable(
    Denoiser(
        name="auto",
        target="",
        summary="the mixture of the methods below that predicts pixels held out best",
        start={},
        in_auto=False,
    ),
    Denoiser(
        name="tv",
        target=_INPAINTERS + "total_variation",
        summary="vectorial total variation: flat phases with sharp, common borders",
        parameters={"weight": None},
        start={"weight": (1.0,)},
        factor=2.0,
    ),
    Denoiser(
        name="dct",
        target=_INPAINTERS + "cosines",
        summary="few discrete cosines in blocks of all shifts: textures, lattices",
        parameters={"threshold": None, "block": None, "seed": 0},
        start={"threshold": (2.0,), "block": (16, 32)},
        factor=2.0,
    ),
    Denoiser(
        name="patches",
        target=_INPAINTERS + "similar_patches",
        summary="patches that look alike as one normal distribution: what repeats, "
        "edges; begins with the result of dct",
        parameters={"threshold": None, "block": None, "ridge": 0.2, "size": 6},
        start={},
        after="dct",
    ),
    Denoiser(
        name="gp",
        target=_INPAINTERS + "gaussian_process",
        summary="Gaussian process (kriging): what varies smoothly",
        parameters={"length": None},
        start={"length": (4.0,)},
        factor=2.0,
    ),
    Denoiser(
        name="dictionary",
        target=_INPAINTERS + "dictionary",
        summary="patches as few cosines, coded from their measured pixels",
        parameters={"gain": None, "size": 8, "step": 2},
        start={"gain": (1.2,)},
        in_auto=False,
    ),
    Denoiser(
        name="low_rank",
        target=_INPAINTERS + "none",
        summary="the few spectra that all pixels are mixtures of, pixel by pixel; "
        "single entries only",
        start={},
        in_auto=False,
    ),
    Denoiser(
        name="smooth",
        target=_INPAINTERS + "smooth",
        summary="weighted means of the nearest measured pixels",
        start={},
        in_mixture=False,
    ),
)

_DEBLURRERS = "sparsedecomp.restoration.deconvolution:"
DEBLURRERS = MethodTable(
    Entry(
        name="auto",
        target=_DEBLURRERS + "deconvolve",
        summary="adaptive",
    ),
    Entry(
        name="adaptive",
        target=_DEBLURRERS + "deconvolve",
        summary="a smoothness of its own at each energy, the most probable one",
    ),
    Entry(
        name="richardson_lucy",
        target=_DEBLURRERS + "richardson_lucy",
        summary="iterations that stop where a part of the counts predicts the others "
        "best",
        parameters={"n_iter": None},
    ),
    Entry(
        name="fourier_log",
        target=_DEBLURRERS + "single_scattering",
        summary="single scattering of a low-loss spectrum of a thick specimen",
    ),
)

# A function of SHARPENERS is ``function(Z, blur, **parameters)`` with a `PointSpread`;
# its maps are larger than the field by the margin of the blur.
SHARPENERS = MethodTable(
    Denoiser(
        name="auto",
        target="",
        summary="the method below that predicts best what is held out",
        start={},
        in_auto=False,
    ),
    Denoiser(
        name="tv",
        target="sparsedecomp.restoration.point_spread:total_variation",
        summary="vectorial total variation of the sharp maps",
        parameters={"weight": None},
        start={"weight": (0.5,)},
        factor=2.0,
    ),
    Denoiser(
        name="richardson_lucy",
        target="sparsedecomp.restoration.point_spread:richardson_lucy",
        summary="positive images by iterations that stop where what is held out is "
        "predicted best: small bright things",
        parameters={"n_iter": None},
        start={"n_iter": (16.0,)},
        factor=2.0,
    ),
)

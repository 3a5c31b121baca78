"""The processes that coefficients are drawn from, with the guide or without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.problem import Problem
from sparsedecomp.fusion.process.components import Component, Guided, Stationary
from sparsedecomp.fusion.process.descriptors import Features, Texture

# Correlation lengths of place and of what varies with it, in steps of the coarse grid.
# Chosen on airborne cubes; the evidence weights them, so that others cost little.
_PLACE = (1.5, 5.0)
_LOCAL = (1.5, 4.0)
_SLOW = 4.0
# Radial basis functions of one band, of several, and of texture.
_ONE, _SEVERAL, _TEXTURE = 40, 120, 120


def spatial_components(problem: Problem) -> list[Component]:
    """Processes of place alone, which know no guide.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.

    Returns
    -------
    list of component
        Two Matern-3/2 processes.
    """
    return [Stationary(problem.degradation, length) for length in _PLACE]


def guided_components(problem: Problem, textured: bool) -> list[Component]:
    """Processes of place and of the guide.

    A coefficient is the sum of functions of place, of each band (linear), of all bands
    with weights that vary from place to place, and of a smooth function of the bands,
    the same everywhere or not.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation.
    textured : bool
        Add smooth functions of the texture of the guide.

    Returns
    -------
    list of component
        Components with a mean of zero.
    """
    d, images = problem.degradation, descriptors(problem, problem.guide, textured)
    white = images["bands"]
    m = white.shape[-1]
    found = spatial_components(problem)
    for band in range(m):
        one = Features.of(white[..., [band]], d, centred=False)
        found.append(Guided(f"band {band}", one, d))
    every = Features.of(white, d, centred=False)
    found += [Guided("bands", every, d, length) for length in _LOCAL]
    size = _ONE if m == 1 else _SEVERAL
    radial = Features.of(images["levels"], d, size, float(np.sqrt(m)))
    found += [Guided("levels", radial, d), Guided("levels", radial, d, _SLOW)]
    if textured:
        length = float(np.sqrt(np.mean(np.square(images["texture"]).sum(axis=-1))))
        functions = Features.of(images["texture"], d, _TEXTURE, length)
        found += [
            Guided("texture", functions, d),
            Guided("texture", functions, d, _SLOW),
        ]
    return found


def descriptors(problem: Problem, guide: NDArray, textured: bool) -> dict[str, NDArray]:
    """Images that the features of a guide are functions of.

    Parameters
    ----------
    problem : Problem
        Cube and degradation; its own guide fixes scales and ranges.
    guide : (H, W, m) array
        The guide of the problem, or the same with other noise.
    textured : bool
        Whether texture is among them.

    Returns
    -------
    dict of str to (H, W, c) array
        "bands", "levels" and, if asked for, "texture".
    """
    white = problem.whitened(guide)
    own = white if guide is problem.guide else problem.whitened(problem.guide)
    images = {"bands": white, "levels": _within_range(white, own, problem.degradation)}
    if textured:
        describe = Texture(own)
        images["texture"] = _within_range(
            describe(white), describe(own), problem.degradation
        )
    return images


def with_other_noise(
    problem: Problem, components: list[Component], guide: NDArray, textured: bool
) -> list[Component]:
    """The same components for a guide with other noise.

    Parameters
    ----------
    problem : Problem
        Cube, guide and degradation of the components.
    components : list of component
        From `guided_components`.
    guide : (H, W, m) array
        The guide with other noise.
    textured : bool
        As the components were made.

    Returns
    -------
    list of component
        Their covariances between coarse pixels are those of the given ones.
    """
    images = descriptors(problem, guide, textured)
    found: list[Component] = []
    for component in components:
        if isinstance(component, Guided):
            kind, _, band = component.name.split(" within")[0].partition(" ")
            image = images["bands" if kind == "band" else kind]
            if kind == "band":
                image = image[..., [int(band)]]
            component = component.on_image(image)
        found.append(component)
    return found


def _within_range(image: NDArray, own: NDArray, degradation: Degradation) -> NDArray:
    """An image cut to the range that the guide has on the coarse grid.

    Radial functions fall to zero beyond what they were fitted to; of an image that is
    cut they stay constant there, and only linear components extrapolate.
    """
    coarse = degradation.forward(own).reshape(-1, own.shape[-1])
    return np.clip(image, coarse.min(axis=0), coarse.max(axis=0))

"""Fusion of a coarse cube with a sharp guide, from arrays to a sharp cube."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.fusion.checks import check_cube, checked_guide
from sparsedecomp.fusion.choice import choose
from sparsedecomp.fusion.degradation.estimation import PointSpreadEstimate
from sparsedecomp.fusion.degradation.grids import Grids, check_grids
from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.degradation.point_spread import PointSpread
from sparsedecomp.fusion.methods import METHODS
from sparsedecomp.fusion.problem import Problem, Solution
from sparsedecomp.fusion.subspace import Subspace, subspace_of
from sparsedecomp.fusion.verdict import Verdict

if TYPE_CHECKING:
    import dask.array as da

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fused:
    """A sharp cube on a few spectra, and how it was made.

    Attributes
    ----------
    method : str
        Method that made it.
    subspace : Subspace
        The coarse cube on the same spectra.
    maps : (H, W, p) array
        Coefficients of the fine pixels, float32.
    variance : (H, W, p) array or None
        Variance of their errors, float32; None where the method has no model of them.
    degradation : Degradation
        Grids and point spread that were used.
    estimate : PointSpreadEstimate or None
        The blind estimate of the point spread; None if it was given.
    verdict : Verdict
        What the guide was worth.
    untrusted : (h, w) bool array or None
        True for coarse pixels where the guide was not used.
    seconds : float
        Wall time.
    """

    method: str
    subspace: Subspace
    maps: NDArray
    variance: NDArray | None
    degradation: Degradation
    estimate: PointSpreadEstimate | None
    verdict: Verdict
    untrusted: NDArray | None
    seconds: float

    def cube(self) -> NDArray:
        """The sharp cube.

        Returns
        -------
        (H, W, n_channels) float32 array
            Spectra of the fine pixels.
        """
        spectra = self.subspace.spectra.astype(np.float32)
        return self.maps @ spectra + self.subspace.mean.astype(np.float32)

    def deviation(self) -> NDArray:
        """Standard deviation of the errors of the sharp cube.

        Returns
        -------
        (H, W, n_channels) float32 array
            Uncertainty of the specimen's spectra, without the noise of a measurement.

        Raises
        ------
        ValueError
            If the method has no model of its errors.
        """
        self.check_variance()
        squares = np.square(self.subspace.spectra).astype(np.float32)
        lost = self.subspace.lost.astype(np.float32)
        return np.sqrt(self.variance @ squares + lost)

    def check_variance(self) -> None:
        """Refuse to tell errors where the method has no model of them."""
        if self.variance is None:
            raise ValueError(
                f"method={self.method!r} has no model of its errors. Use 'auto', "
                "'guided_process' or 'spatial_process'."
            )


def fuse(
    cube: NDArray | da.Array,
    guide: ArrayLike,
    grids: Grids | None = None,
    *,
    method: str = "auto",
    psf: PointSpread | None = None,
    n_components: int | None = None,
    noise: str = "auto",
    registration: bool = True,
    border: str = "reflect",
    random_state: int = 0,
    **parameters: Any,
) -> Fused:
    """Make a sharp cube of a coarse one and a sharp image of the same field.

    Parameters
    ----------
    cube : (h, w, n_channels) array or dask array
        Coarse cube: counts, or values with noise of any kind.
    guide : (H, W) or (H, W, m) array
        Sharp image, or bands of one.
    grids : Grids, optional
        Where the pixels of the cube lie on the guide; default: both cover the same
        field.
    method : str, default "auto"
        One of `sparsedecomp.fusion.METHODS`, which when printed describes each.
    psf : PointSpread, optional
        Point spread of the cube in pixels of the guide; default: estimated.
    n_components : int, optional
        Number of coefficients of a pixel; default: those above the noise, at most 16.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model of the cube; see `sparsedecomp.noise.find_noise`.
    registration : bool, default True
        Look for a shift of the guide by up to eight pixels.
    border : {"reflect", "wrap"}
        What the cube sees beyond the edge of the guide.
    random_state : int, default 0
        Seed of the compression of the cube.
    **parameters : object
        Parameters of the method.

    Returns
    -------
    Fused
        Sharp coefficients, uncertainty, and what the guide was worth.

    Raises
    ------
    ValueError
        For a guide that is not finer than the cube or does not cover it, NaN, constant
        and saturated guides, negative counts, and unknown methods or parameters.
    TypeError
        For data that are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.fusion import Degradation, Grids, PointSpread, fuse
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:48, :48] / 6
    >>> disc = (np.hypot(y - 4, x - 4) < 2.6) * 1.0
    >>> maps = np.stack([disc * (2 + np.sin(3 * x)), 1 - disc], axis=-1)
    >>> truth = maps @ rng.uniform(size=(2, 30))
    >>> box = PointSpread("box", (4, 4))
    >>> grids = Grids.of_same_field((48, 48), (12, 12))
    >>> coarse = Degradation(grids, box).forward(truth)
    >>> coarse += 0.01 * rng.normal(size=coarse.shape)
    >>> fused = fuse(coarse, truth.mean(axis=-1))
    >>> fused.verdict.outcome, fused.cube().shape
    ('accepted', (48, 48, 30))
    """
    began = time.perf_counter()
    chosen = METHODS.complete(method, parameters)
    check_cube(cube)
    bands = checked_guide(np.asarray(guide))
    if grids is None:
        grids = Grids.of_same_field(bands.shape[:2], cube.shape[:2])
    if grids.fine != bands.shape[:2] or grids.coarse != tuple(cube.shape[:2]):
        raise ValueError(
            f"The grids are of a guide of {grids.fine} and a cube of {grids.coarse} "
            f"pixels, but the arrays have {bands.shape[:2]} and {cube.shape[:2]}."
        )
    check_grids(grids)
    subspace = subspace_of(cube, n_components, noise, random_state)
    start = Degradation(grids, psf or PointSpread("gaussian", grids.step), border)
    problem = Problem(subspace, bands, start)
    made = choose(problem, method, chosen, told=psf is not None, register=registration)
    _logger.info("%s", made.verdict.describe())
    solution: Solution = made.solution
    spread = solution.variance
    return Fused(
        made.method,
        subspace,
        solution.maps.astype(np.float32),
        None if spread is None else spread.astype(np.float32),
        made.problem.degradation,
        made.estimate,
        made.verdict,
        made.problem.mask,
        time.perf_counter() - began,
    )

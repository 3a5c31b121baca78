"""The last fit of the spectra of a simplex, in all channels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.abundances import solve
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import WhitenedData
from sparsedecomp.kernels.simplex import solve_by_active_set

# The last fit holds the abundances fixed. Where the noise of a pixel is larger than
# this share of a component, abundances that are not negative are too large where the
# component is absent, and mix the spectra: three degrees become five at less than one
# count in a channel. Below it the fit takes out noise that `k` dimensions leave.
_NOISIEST_SHARE = 0.2


def spectra_of_all_channels(
    blocks: BlockMatrix,
    data: WhitenedData,
    S: NDArray[np.floating],
    noise_of_shares: float,
) -> NDArray[np.floating]:
    """Least squares spectra of all channels, the abundances of ``S`` held fixed.

    Parameters
    ----------
    blocks : BlockMatrix
        The data, read twice.
    data : WhitenedData
        From `whitened_signal_space`.
    S : (k, n_channels) array
        Spectra of the vertices, in the units of the data.
    noise_of_shares : float
        Standard deviation of the share of a component in one pixel.

    Returns
    -------
    (k, n_channels) array
        Non-negative where the data are; those of the vertices where the shares of the
        pixels are too noisy for such a fit.
    """
    c = data.noise.column_scale
    scaled = blocks.scaled(data.noise.row_scale, c)
    positive = data.noise.summary.minimum >= 0
    if positive:
        S = np.maximum(S, 0)
    if noise_of_shares > _NOISIEST_SHARE:
        return S
    W = solve(scaled, (S / c).astype(blocks.dtype), "nonnegative")[0]
    target, gram = scaled.rmatmul(W), W.T.astype(float) @ W
    if positive:
        spectra = np.empty(target.shape)
        solve_by_active_set(spectra, target, gram, False)
    else:
        spectra = target @ np.linalg.pinv(gram, hermitian=True)
    spectra = spectra.T * c
    return np.where((spectra != 0).any(axis=1, keepdims=True), spectra, S)

"""Frames that cannot be resolved, and samples that are of no use."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.saturation import saturated_samples


def check_frames(Y: NDArray, mask: NDArray | None = None) -> None:
    """Refuse a single frame and samples that are not finite.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples that may hold anything.

    Raises
    ------
    ValueError
        Names the first such sample.
    """
    if len(Y) < 2:
        raise ValueError(
            f"{len(Y)} frame was given, expected at least two that are shifted against "
            "each other: one frame holds nothing between its samples."
        )
    finite = np.isfinite(Y).all(axis=-1)
    if mask is not None:
        finite |= mask
    if not finite.all():
        k, i, j = np.argwhere(~finite)[0]
        raise ValueError(
            f"Frame {k} is NaN or infinite at row {i}, column {j}: mask such samples "
            "or mend them."
        )


def check_contrast(Y: NDArray, mask: NDArray | None = None) -> None:
    """Refuse frames that have the same value everywhere.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.

    Raises
    ------
    ValueError
        Counts such frames.
    """
    used = [np.ones(Y.shape[1:3], bool)] * len(Y) if mask is None else ~mask
    samples = [frame[where] for frame, where in zip(Y, used, strict=True)]
    constant = [
        k for k, each in enumerate(samples) if len(each) and not np.ptp(each, 0).any()
    ]
    if constant:
        few = ", ".join(map(str, constant[:5])) + ", ..." * (len(constant) > 5)
        raise ValueError(
            f"{len(constant)} of {len(Y)} frames ({few}) have the same value "
            "everywhere: there is nothing in them to register or to resolve. Leave "
            "them out."
        )


def with_saturated(frames: NDArray, mask: NDArray | None) -> NDArray | None:
    """The mask of images, with their saturated samples.

    Parameters
    ----------
    frames : (n_frames, rows, columns, 1) array
        Images.
    mask : (n_frames, rows, columns) bool array or None
        True for samples to leave out.

    Returns
    -------
    (n_frames, rows, columns) bool array or None

    Warns
    -----
    UserWarning
        Where samples are saturated.
    """
    saturated = saturated_samples(frames[..., 0], mask)
    if saturated is None:
        return mask
    warnings.warn(
        f"{saturated.mean():.2%} of the samples have one value, the largest "
        f"({frames[saturated].max():.6g}): they are saturated and masked.",
        UserWarning,
        stacklevel=5,
    )
    return saturated if mask is None else mask | saturated

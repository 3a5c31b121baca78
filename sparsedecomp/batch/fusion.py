"""Fusion of the map of spectra in one file with the image in another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsedecomp.extension.fused_signal import Fusion


def fuse_files(
    cube: str | Path,
    guide: str | Path,
    output: str | Path,
    *,
    method: str = "auto",
    same_field: bool = False,
    lazy: bool = False,
    figure: str | Path | None = None,
    force: bool = False,
) -> Fusion:
    """Sharpen the map of a file by the image of another, and write the result.

    Parameters
    ----------
    cube : str or Path
        File of a map of spectra. Of several signals in it the first map is taken.
    guide : str or Path
        File of an image, a stack of images or a map of a few bands; of several signals
        in it the first one that is none of spectra.
    output : str or Path
        File to write, in any format that keeps metadata, such as ``.hspy``.
    method : str, default "auto"
        One of `sparsedecomp.fusion.METHODS`.
    same_field : bool, default False
        Whether the axes are not calibrated and both show one field, edge to edge.
    lazy : bool, default False
        Read the cube, and write the result, block by block.
    figure : str or Path, optional
        Image file of the result.
    force : bool, default False
        Replace a result that exists.

    Returns
    -------
    Fusion
        Report of how the result was made.

    Raises
    ------
    FileExistsError
        If there is a result and it is not to be replaced.
    ValueError
        For files that hold no map or no image.
    """
    output = Path(output)
    if output.exists() and not force:
        raise FileExistsError(f"{output} exists; give --force to replace it")
    s = _first(cube, (2, 1), lazy)
    image = _first(guide, None, False)
    field = "same" if same_field else "axes"
    sharp = s.fuse(image, method=method, field=field, show_progressbar=False)
    sharp.save(output, overwrite=force)
    if figure is not None:
        sharp.fusion.plot()[0].figure.savefig(figure, dpi=150)
    return sharp.fusion


def _first(path: str | Path, dimensions: tuple[int, int] | None, lazy: bool) -> Any:
    """First signal of a file of the given dimensions, or else the first image."""
    import hyperspy.api as hs

    loaded = hs.load(path, lazy=lazy)
    signals = loaded if isinstance(loaded, list) else [loaded]
    for signal in signals:
        axes = signal.axes_manager
        own = axes.navigation_dimension, axes.signal_dimension
        if own == dimensions or (dimensions is None and own[1] == 2):
            return signal
    if dimensions is None:
        return signals[0]
    raise ValueError(f"{path} holds no map of spectra, but {signals}.")

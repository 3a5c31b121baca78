"""Restoration of the signal in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsedecomp.extension.restoration_results import Restoration


def denoise_file(
    file: str | Path,
    output: str | Path,
    *,
    method: str = "auto",
    components: int | None = None,
    lazy: bool = False,
    figure: str | Path | None = None,
    force: bool = False,
) -> Restoration:
    """Remove the noise of the signal in a file, and write the result.

    Parameters
    ----------
    file : str or Path
        File of a spectrum image, a stack, an image or a spectrum. Of several signals
        in it the largest is taken.
    output : str or Path
        File to write, in any format that keeps metadata, such as ``.hspy``.
    method : str, default "auto"
        One of `sparsedecomp.restoration.METHODS`.
    components : int, optional
        Number of components of a spectrum image; default: found from the data.
    lazy : bool, default False
        Read the signal, and write the result, block by block.
    figure : str or Path, optional
        Image file of the signal before and after.
    force : bool, default False
        Replace a result that exists.

    Returns
    -------
    Restoration
        Report of what was chosen against what.

    Raises
    ------
    FileExistsError
        If there is a result and it is not to be replaced.
    """
    import hyperspy.api as hs

    output = Path(output)
    if output.exists() and not force:
        raise FileExistsError(f"{output} exists; give --force to replace it")
    loaded = hs.load(file, lazy=lazy)
    signals = loaded if isinstance(loaded, list) else [loaded]
    signal = max(signals, key=lambda each: each.data.size)
    restored = signal.denoise(method, n_components=components, show_progressbar=False)
    restored.save(output, overwrite=force)
    if figure is not None:
        restored.restoration.plot()[0].figure.savefig(figure, dpi=150)
    return restored.restoration

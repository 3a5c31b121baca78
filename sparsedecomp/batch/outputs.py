"""Names of the result files of a batch decomposition."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def plan_outputs(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    suffixes: Sequence[str] = (".hspy",),
) -> list[Path]:
    """Choose the result file of each input.

    Parameters
    ----------
    files : sequence of path-like
        Input files.
    output : str or path-like
        A file for one input; a folder (existing, or ending in ``/``) or a name with
        ``{stem}`` in it for any number.
    suffixes : sequence of str, default (".hspy",)
        Endings that are allowed; files in a folder get the first.

    Returns
    -------
    list of pathlib.Path
        Result file of each input.

    Raises
    ------
    ValueError
        If an input is listed twice, two inputs would share a result, a result would
        replace an input, or the name is neither of the above.

    Examples
    --------
    >>> from sparsedecomp.batch import plan_outputs
    >>> [p.as_posix() for p in plan_outputs(["a.dm4", "b.dm4"], "out/{stem}_ard.hspy")]
    ['out/a_ard.hspy', 'out/b_ard.hspy']
    """
    sources, text = [Path(file) for file in files], str(output)
    for i, source in enumerate(sources):
        if source.resolve() in [earlier.resolve() for earlier in sources[:i]]:
            raise ValueError(f"the input {source} is listed twice: give each file once")
    if "{stem}" in text:
        targets = [Path(text.replace("{stem}", source.stem)) for source in sources]
    elif text.endswith("/") or Path(text).is_dir():
        targets = [Path(text) / f"{source.stem}{suffixes[0]}" for source in sources]
    elif len(sources) == 1:
        targets = [Path(text)]
    else:
        raise ValueError(
            f"{len(sources)} files cannot share the output {text}: give a folder "
            "(ending in /) or a name with {stem} in it"
        )
    for i, target in enumerate(targets):
        if target.suffix not in suffixes:
            allowed = " or ".join(suffixes)
            raise ValueError(f"a result file ends in {allowed}, not {target.name}")
        if target in targets[:i]:
            clash = sources[targets.index(target)]
            raise ValueError(
                f"{clash} and {sources[i]} would both be written to {target}: "
                "put them into different folders"
            )
        if target.resolve() in [source.resolve() for source in sources]:
            raise ValueError(f"the output {target} is one of the inputs")
    return targets

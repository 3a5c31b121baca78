"""Old spellings of public parameters and functions, kept for one release."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def warn_deprecated(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that an old spelling will be removed in the next release.

    Parameters
    ----------
    old : str
        What was written, such as ``"autobk: k_weight"``.
    new : str
        What to write instead.
    stacklevel : int, default 3
        As in `warnings.warn`; 3 points at the caller of the calling function.
    """
    message = f"{old} is deprecated and will be removed in the next release: use {new}."
    warnings.warn(message, FutureWarning, stacklevel=stacklevel)


def renamed_parameters(**new_names: str | tuple[str, ...]) -> Callable[[F], F]:
    """Decorate a function so that it accepts old names of its parameters.

    Parameters
    ----------
    **new_names : str or tuple of str
        New name of each old one. A tuple replaces a parameter that was a sequence by
        one parameter for each element; elements that are None keep their defaults.

    Returns
    -------
    callable
        Decorator. The decorated function shows its new signature only.

    Examples
    --------
    >>> from sparsedecomp.deprecation import renamed_parameters
    >>> @renamed_parameters(k_range=("kmin", "kmax"))
    ... def width(kmin=3.0, kmax=16.0):
    ...     return kmax - kmin
    >>> width(kmax=5.0)
    2.0
    """

    def decorate(function: F) -> F:
        name = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def accepting(*args: Any, **kwargs: Any) -> Any:
            for old in new_names.keys() & kwargs.keys():
                value, new = kwargs.pop(old), new_names[old]
                names = (new,) if isinstance(new, str) else new
                warn_deprecated(f"{name}: {old}", " and ".join(names))
                if twice := kwargs.keys() & set(names):
                    raise TypeError(f"{name} got both {old} and {', '.join(twice)}.")
                if isinstance(new, str):
                    kwargs[new] = value
                elif value is not None:
                    given = zip(new, value, strict=True)
                    kwargs.update((key, v) for key, v in given if v is not None)
            return function(*args, **kwargs)

        accepting.renamed_parameters = new_names  # type: ignore[attr-defined]
        return cast(F, accepting)

    return decorate

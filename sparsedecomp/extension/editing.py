"""Names of components, and merging, splitting and ordering them after a fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..suggestions import did_you_mean
from . import algorithms, learning_results
from .types import BaseSignal

if TYPE_CHECKING:
    from ..decomposition.progress import Progress

Key = int | str


def component_names(signal: BaseSignal) -> list[str]:
    """Return the names of the components of the last decomposition.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Decomposed signal.

    Returns
    -------
    list of str
        "component 0" and so on for components that were not named.

    Raises
    ------
    RuntimeError
        If the signal is not decomposed.
    """
    factors = learning_results.read(signal, "factors")
    if factors is None:
        raise RuntimeError("There are no components yet: call `s.decomposition` first.")
    stored = learning_results.read(signal, "component_names")
    names = json.loads(stored or "[]")
    return names or [f"component {i}" for i in range(factors.shape[1])]


def name_components(self: BaseSignal, names: Sequence[str]) -> None:
    """Name the components of the last decomposition.

    The names are kept in ``learning_results.component_names`` and in its files; figures
    and ``metadata.Signal.component_names`` of component maps and spectra show them. The
    next decomposition forgets them.

    Parameters
    ----------
    names : sequence of str
        One name for each component, all different.

    Raises
    ------
    RuntimeError
        If the signal is not decomposed.
    ValueError
        If there are more or fewer names than components, or two are the same.

    See Also
    --------
    merge_components, split_component, reorder_components

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 2)) @ rng.random((2, 40)))
    >>> s.decomposition(False, "nmf_so", 2, print_info=False, show_progressbar=False)
    >>> s.name_components(["metal", "oxide"])
    >>> s.get_component_spectra().metadata.Signal.component_names
    ['metal', 'oxide']
    """
    k = len(component_names(self))
    given = [str(name).strip() for name in names]
    if isinstance(names, str) or len(given) != k:
        raise ValueError(
            f"{len(given)} names were given ({names!r}), expected a list of {k}: one "
            "for each component."
        )
    twice = sorted({name for name in given if given.count(name) > 1 or not name})
    if twice:
        raise ValueError(
            f"The name {twice[0]!r} was given more than once or is empty, expected "
            "different names."
        )
    learning_results.write(self, "component_names", json.dumps(given))


def reorder_components(self: BaseSignal, order: Sequence[Key]) -> None:
    """Change the order of the components, or leave some of them out.

    Parameters
    ----------
    order : sequence of int or str
        Numbers or names of the components to keep, in their new order.

    Raises
    ------
    RuntimeError
        If the last decomposition is not by an algorithm of sparsedecomp.
    ValueError
        If a component is unknown or given twice, or none is left.

    See Also
    --------
    name_components, merge_components, split_component

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 2)) @ rng.random((2, 40)))
    >>> s.decomposition(False, "nmf_so", 2, print_info=False, show_progressbar=False)
    >>> s.name_components(["metal", "oxide"])
    >>> s.reorder_components([1, 0])
    >>> s.get_component_maps().metadata.Signal.component_names
    ['oxide', 'metal']
    """
    factors, loadings, names = _components(self)
    chosen = _chosen(order, names)
    _replace(
        self,
        factors[:, chosen],
        loadings[:, chosen],
        [names[i] for i in chosen],
        kept=np.array(chosen),
    )


def merge_components(
    self: BaseSignal, components: Sequence[Key], name: str | None = None
) -> None:
    """Replace several components by one that holds their sum.

    The spectrum is the sum of theirs as they contribute to the sum spectrum of all
    pixels, and the map the sum of their intensities in each pixel: the intensity of
    every pixel and the sum spectrum stay as they are, the model of single entries does
    not. The merged component takes the place of the first one. Relevance and other
    numbers for each component are removed, since they are those of the fit.

    Parameters
    ----------
    components : sequence of int or str
        Numbers or names of at least two components.
    name : str, optional
        Name of the new component. Default: the names joined by "+".

    Raises
    ------
    RuntimeError
        If the last decomposition is not by an algorithm of sparsedecomp.
    ValueError
        If fewer than two components are given, or one is unknown.

    See Also
    --------
    split_component, name_components, reorder_components

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 3)) @ rng.random((3, 40)))
    >>> s.decomposition(False, "nmf_so", 3, print_info=False, show_progressbar=False)
    >>> s.merge_components([0, 2], name="film")
    >>> s.get_component_maps().metadata.Signal.component_names
    ['film', 'component 1']
    """
    factors, loadings, names = _components(self)
    chosen = sorted(_chosen(components, names))
    if len(chosen) < 2:
        raise ValueError(f"{components!r} was given, expected at least two components.")
    intensity = np.nansum(factors[:, chosen], axis=0, dtype=float)
    amount = np.nansum(loadings[:, chosen], axis=0, dtype=float)
    total = max(float(intensity @ amount), np.finfo(float).tiny)
    spectrum = factors[:, chosen] @ amount / total
    norm = np.sqrt(np.nansum(np.square(spectrum))) or 1.0
    first, gone = chosen[0], chosen[1:]
    factors[:, first] = spectrum / norm
    loadings[:, first] = loadings[:, chosen] @ intensity * norm
    names[first] = name or "+".join(names[i] for i in chosen)
    _replace(
        self,
        np.delete(factors, gone, axis=1),
        np.delete(loadings, gone, axis=1),
        [each for i, each in enumerate(names) if i not in gone],
    )


def split_component(
    self: BaseSignal,
    component: Key,
    *,
    callback: Callable[[Progress], object] | None = None,
    show_progressbar: bool | None = None,
) -> None:
    """Fit two components in the place of one, with the other spectra held fixed.

    The fit is ``decomposition(algorithm="mcr_als")`` with one component more and the
    spectra of the others as `known_spectra`. The masks stay the same. The two take the
    place of the one, with the letters a and b after its name.

    Parameters
    ----------
    component : int or str
        Number or name of the component.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit.
    show_progressbar : bool, optional
        Show a progress bar over the iterations. Default: HyperSpy's preference.

    Raises
    ------
    RuntimeError
        If the last decomposition is not by an algorithm of sparsedecomp.
    ValueError
        If the component is unknown, or the data do not allow one more.

    See Also
    --------
    merge_components, name_components, reorder_components

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 3)) @ rng.random((3, 40)))
    >>> s.decomposition(False, "nmf_so", 2, print_info=False, show_progressbar=False)
    >>> s.split_component(0, show_progressbar=False)
    >>> s.get_component_maps().metadata.Signal.component_names
    ['component 0a', 'component 0b', 'component 1']
    """
    from .driver import decompose

    factors, _, names = _components(self)
    (number,) = _chosen([component], names)
    others = [i for i in range(len(names)) if i != number]
    masks: dict[str, Any] = {}
    for space in ("navigation_mask", "signal_mask"):
        mask = learning_results.read(self, space)
        masks[space] = None if mask is None else np.asarray(mask).T
    known = {"known_spectra": np.nan_to_num(factors[:, others].T)} if others else {}
    decompose(
        self,
        "mcr_als",
        len(names) + 1,
        print_info=False,
        show_progressbar=show_progressbar,
        callback=callback,
        random_state=0,
        **known,
        **masks,
    )
    parts = [f"{names[number]}a", f"{names[number]}b"]
    name_components(self, [*(names[i] for i in others), *parts])
    rest = [names[i] for i in others]
    reorder_components(self, [*rest[:number], *parts, *rest[number:]])


def _components(signal: BaseSignal) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Copies of the spectra (n_channels, k) and maps (n_pixels, k), and their names."""
    names = component_names(signal)
    algorithm = learning_results.read(signal, "decomposition_algorithm")
    choice = algorithms.find(algorithm)
    if choice is None or choice.name in ("cpd", "tucker"):
        raise RuntimeError(
            f"The last decomposition of {signal} is {algorithm!r}, expected one by a "
            "factorisation of sparsedecomp into pixels and spectra."
        )
    factors, loadings = learning_results.matrices(signal)
    return factors.copy(), loadings.copy(), names


def _chosen(keys: Sequence[Key], names: list[str]) -> list[int]:
    """Numbers of components that were given by number or name."""
    if isinstance(keys, str) or not len(keys):
        raise ValueError(f"{keys!r} was given, expected a list of components.")
    chosen = []
    for key in keys:
        if isinstance(key, str) and key in names:
            number = names.index(key)
        elif not isinstance(key, str) and 0 <= int(key) < len(names):
            number = int(key)
        else:
            hint = did_you_mean(key, names) if isinstance(key, str) else ""
            raise ValueError(
                f"There is no component {key!r}, expected a number from 0 to "
                f"{len(names) - 1} or one of {', '.join(map(repr, names))}.{hint}"
            )
        if number in chosen:
            raise ValueError(f"The component {key!r} was given twice.")
        chosen.append(number)
    return chosen


def _replace(
    signal: BaseSignal,
    factors: np.ndarray,
    loadings: np.ndarray,
    names: Sequence[str],
    kept: np.ndarray | None = None,
) -> None:
    """Store components made of those of the last decomposition.

    What was found for all components together, such as masks and history, is kept;
    numbers for each of them are too if ``kept`` tells their former numbers.
    """
    choice = algorithms.find(learning_results.read(signal, "decomposition_algorithm"))
    same = {*algorithms.EXTRAS, "decomposition_algorithm", "navigation_mask"}
    same |= {"signal_mask", "poissonian_noise_normalized"}
    entries = {
        name: learning_results.read(signal, name) for name in same - {"component_names"}
    }
    for name in choice.per_component:
        value = entries.pop(name, None)
        if value is not None and kept is not None:
            entries[name] = np.asarray(value)[kept]
    finite = np.isfinite(loadings).all(axis=1)
    energy = learning_results.energies(loadings[finite], np.nan_to_num(factors))
    learning_results.store(
        signal,
        factors=factors,
        loadings=loadings,
        component_names=json.dumps(list(names)),
        explained_variance=energy / max(np.count_nonzero(finite), 1),
        **{name: value for name, value in entries.items() if value is not None},
    )

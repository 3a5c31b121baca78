"""Settings of a decomposition tool, and the script that makes the same fit."""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import traits.api as t
from numpy.typing import NDArray

from sparsedecomp.extension.algorithms import ALGORITHMS
from sparsedecomp.extension.masks import in_array_order

if TYPE_CHECKING:
    from sparsedecomp.extension.types import BaseSignal, Mask

# Tensor decompositions have modes and ranks instead of maps and spectra.
CHOICES = [name for name in ALGORITHMS if name not in ("cpd", "tucker")]

# Algorithms that give the same answer in every run without a seed.
_REPEATABLE = ("nmf_so_ard",)


class Parameter(NamedTuple):
    """One parameter of an estimator that is a number, a word or left out.

    Attributes
    ----------
    name : str
        Name of the parameter.
    default : object
        Its default value.
    options : tuple of str
        Words that are allowed; empty where there are none.
    """

    name: str
    default: Any
    options: tuple[str, ...]


class FitSettings(t.HasTraits):
    """Algorithm, parameters, pixels and channels of the next fit.

    Every trait has a default that works, so that nothing has to be set.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to be decomposed.
    navigation_mask : array or BaseSignal, optional
        True where pixels are left out of every fit.

    Attributes
    ----------
    algorithm : str
        One of `CHOICES`.
    n_components : int
        Number of components, or the upper bound of algorithms that find the number; 0
        to find it from the data.
    normalize_poissonian_noise : bool
        As in ``decomposition``.
    ranges : list of (int, int)
        First pixel and end of the pixels that are fitted, for each navigation axis, x
        first.
    channels : (int, int)
        First channel and end of the channels that are fitted.
    parameters : dict of str to str
        Further parameters of the algorithm as they are typed; empty for the default.
    """

    algorithm: Any = t.Enum("nmf_so_ard", CHOICES, label="Algorithm")
    n_components: Any = t.Range(0, 999, 0, label="Components")
    normalize_poissonian_noise: Any = t.Bool(False, label="Weigh as counts")
    ranges: Any = t.List(t.Tuple(t.Int, t.Int))
    channels: Any = t.Tuple(t.Int, t.Int)
    parameters: Any = t.Dict(t.Str, t.Str)

    def __init__(self, signal: BaseSignal, navigation_mask: Mask | None = None) -> None:
        super().__init__()
        axes = signal.axes_manager
        self.signal = signal
        self.given_mask = in_array_order(signal, navigation_mask, "navigation")
        self.ranges = [(0, size) for size in axes.navigation_shape]
        self.channels = (0, axes.signal_size)

    def known_parameters(self) -> list[Parameter]:
        """Return the parameters of the algorithm that can be typed.

        Returns
        -------
        list of Parameter
            In the order of the estimator's signature.
        """
        estimator = ALGORITHMS[self.algorithm].load()
        allowed = getattr(estimator, "_parameter_constraints", {})
        return [
            Parameter(name, each.default, _words(allowed.get(name, ())))
            for name, each in inspect.signature(estimator).parameters.items()
            if isinstance(each.default, bool | int | float | str | None)
            and name not in ("n_components", "callback")
            and not name.startswith("known_")
        ]

    def typed_parameters(self) -> dict[str, Any]:
        """Return the values of the parameters that differ from their default.

        Returns
        -------
        dict
            Keyword arguments of the estimator.
        """
        known = {each.name: each for each in self.known_parameters()}
        values = {}
        for name, text in self.parameters.items():
            if name in known and text.strip():
                value = _value(text)
                if value != known[name].default:
                    values[name] = value
        return values

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of ``decomposition`` as far as they are set.

        Returns
        -------
        dict
            ``algorithm``, ``output_dimension``, ``normalize_poissonian_noise`` and
            parameters of the estimator.
        """
        arguments: dict[str, Any] = {"algorithm": self.algorithm}
        if self.n_components:
            arguments["output_dimension"] = self.n_components
        if self.normalize_poissonian_noise:
            arguments["normalize_poissonian_noise"] = True
        arguments |= self.typed_parameters()
        known = {each.name for each in self.known_parameters()}
        if "random_state" in known and self.algorithm not in _REPEATABLE:
            # So that the script finds the same components.
            arguments.setdefault("random_state", 0)
        return arguments

    def masks(self) -> dict[str, NDArray[np.bool_] | None]:
        """Return the masks of pixels and channels outside of the chosen ranges.

        Returns
        -------
        dict
            ``navigation_mask`` and ``signal_mask`` in the order of the axes manager (x
            before y), True where left out; None where nothing is.
        """
        axes = self.signal.axes_manager
        hidden = np.ones(axes.navigation_shape, bool)
        hidden[tuple(slice(*each) for each in self.ranges)] = False
        if self.given_mask is not None:
            hidden |= self.given_mask.T
        channels = np.ones(axes.signal_size, bool)
        channels[slice(*self.channels)] = False
        return {
            "navigation_mask": hidden if hidden.any() else None,
            "signal_mask": (
                channels.reshape(axes.signal_shape) if channels.any() else None
            ),
        }

    def script_of_masks(self) -> list[str]:
        """Return the lines of Python that make the masks of a signal ``s``.

        Returns
        -------
        list of str
            Empty where nothing is masked.
        """
        masks, lines = self.masks(), []
        if any(mask is not None for mask in masks.values()):
            lines.append("import numpy as np")
        if masks["navigation_mask"] is not None:
            lines += self._script_of_pixels()
        if masks["signal_mask"] is not None:
            start, stop = self.channels
            lines += [
                "signal_mask = np.ones(s.axes_manager.signal_shape, bool)",
                f"signal_mask[{start}:{stop}] = False",
            ]
        return lines

    def _script_of_pixels(self) -> list[str]:
        where = ", ".join(f"{start}:{stop}" for start, stop in self.ranges)
        lines = [
            "navigation_mask = np.ones(s.axes_manager.navigation_shape, bool)",
            f"navigation_mask[{where}] = False",
        ]
        if self.given_mask is not None:
            lines.append("navigation_mask |= given_mask  # the mask of the tool")
        return lines


def script_of(arguments: dict[str, Any], masks: dict[str, NDArray | None]) -> str:
    """Return the call of ``decomposition`` as a line of Python.

    Parameters
    ----------
    arguments : dict
        Keyword arguments, as numbers and words.
    masks : dict
        Masks, which the line calls by their names.

    Returns
    -------
    str
        Call of the method of a signal ``s``.
    """
    given = [f"{name}={value!r}" for name, value in arguments.items()]
    given += [f"{name}={name}" for name, mask in masks.items() if mask is not None]
    return f"s.decomposition({', '.join(given)})"


def _words(constraints: Any) -> tuple[str, ...]:
    options: set[str] = set()
    for each in constraints:
        options |= {str(word) for word in getattr(each, "options", ())}
    return tuple(sorted(options))


def _value(text: str) -> Any:
    """A number, True, False, None or a word."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()

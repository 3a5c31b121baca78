"""The result of every measure of resolution: a length, its interval and its curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.results import Result, Table, drawn_by


@dataclass(frozen=True, eq=False, repr=False)
class Resolution(Result):
    """A resolution, or an upper bound of it, or the reason why there is none.

    Attributes
    ----------
    method : str
        "edge", "frc" or "decorrelation".
    value : float
        Resolution, a length in `units`; NaN where it is not determined.
    interval : (float, float)
        Interval that holds the value with the probability `level`; NaN where the method
        gives none.
    is_bound : bool
        Whether the value is an upper bound: the sampling does not tell more.
    note : str
        What the value means, or why there is none.
    units : str
        Name of the unit of all lengths.
    level : float
        Probability of the interval.
    lengths : dict of str to float
        Other lengths that belong to it, in the same units.
    curve : dict of str to array
        Curve that the value was read from; the first entry is the abscissa.
    """

    method: str
    value: float
    interval: tuple[float, float] = (np.nan, np.nan)
    is_bound: bool = False
    note: str = ""
    units: str = "px"
    level: float = 0.95
    lengths: dict[str, float] = field(default_factory=dict)
    curve: dict[str, NDArray] = field(default_factory=dict)

    plot = drawn_by("plot_resolution")

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "interval", tuple(map(float, self.interval)))

    @property
    def determined(self) -> bool:
        """Whether there is a value or a bound."""
        return bool(np.isfinite(self.value))

    def in_units(self, units: object) -> Resolution:
        """The same resolution with the name of a unit.

        Parameters
        ----------
        units : str
            Name of the unit. Anything but a name stands for lengths without one.

        Returns
        -------
        Resolution
            Copy with the name of the unit.
        """
        named = isinstance(units, str) and bool(units.strip())
        return replace(self, units=str(units) if named else "(no unit)")

    def describe(self) -> str:
        """The value in words, with its interval and unit.

        Returns
        -------
        str
            For instance "0.24 (0.2 to 0.3) um".
        """
        if not self.determined:
            return "not determined"
        if self.is_bound:
            return f"at most {self.value:.3g} {self.units}"
        low, high = self.interval
        between = f" ({low:.3g} to {high:.3g})" if np.isfinite(low + high) else ""
        return f"{self.value:.3g}{between} {self.units}"

    @property
    def summary(self) -> str:
        """Method and value in one line."""
        return f"{self.describe()} by {self.method}"

    def _details(self) -> Iterator[str | Table]:
        yield self.note
        if self.lengths:
            yield [
                ["length", self.units],
                *([name, f"{length:.3g}"] for name, length in self.lengths.items()),
            ]


def as_map(image: ArrayLike, name: str = "map") -> NDArray:
    """A map as finite float64 rows and columns, at least eight of each.

    Parameters
    ----------
    image : (rows, columns) array
        Map.
    name : str
        How messages call it.

    Returns
    -------
    (rows, columns) float64 array

    Raises
    ------
    ValueError
        For other shapes, and NaN or infinite pixels.
    """
    map_ = np.asarray(image, float)
    if map_.ndim != 2 or min(map_.shape) < 8:
        raise ValueError(
            f"The {name} has the shape {map_.shape}, expected rows and columns, at "
            "least 8 of each."
        )
    if not np.isfinite(map_).all():
        i, j = np.argwhere(~np.isfinite(map_))[0]
        raise ValueError(
            f"The {name} is NaN or infinite at row {i}, column {j}: crop it, or mend "
            "such pixels."
        )
    return map_


def frequencies_of(
    shape: tuple[int, ...], steps: ArrayLike = (1.0, 1.0)
) -> tuple[NDArray, NDArray]:
    """Radial frequencies of ``rfft2`` and how often each occurs in ``fft2``.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    steps : (float, float), default (1, 1)
        Distance of rows and of columns.

    Returns
    -------
    radius : (rows, columns // 2 + 1) array
        Frequencies in cycles per unit of the steps.
    multiplicity : (rows, columns // 2 + 1) array
        One or two.
    """
    along_rows, along_columns = np.asarray(steps, float)
    rows = np.fft.fftfreq(shape[0], along_rows)
    radius = np.hypot(rows[:, None], np.fft.rfftfreq(shape[1], along_columns))
    multiplicity = np.full(radius.shape, 2.0)
    multiplicity[:, 0] = 1
    if shape[1] % 2 == 0:
        multiplicity[:, -1] = 1
    return radius, multiplicity


def steps_of(step: float | tuple[float, float]) -> NDArray:
    """Steps of rows and columns; refuses anything but positive lengths.

    Parameters
    ----------
    step : float or (float, float)
        Distance between pixels, of both axes or of each.

    Returns
    -------
    (2,) array

    Raises
    ------
    ValueError
        Repeats what was given.
    """
    steps = np.asarray(step, float)
    if steps.shape not in ((), (2,)) or not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(
            f"step={step!r} was given, expected a positive length, or one for rows and "
            "one for columns."
        )
    return np.broadcast_to(steps, 2)

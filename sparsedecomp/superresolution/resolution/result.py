"""What every measure of resolution answers: a length, how sure it is, and its curve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Resolution:
    """A resolution, or an upper bound of it, or the reason why there is none.

    Attributes
    ----------
    method : str
        "edge", "frc" or "decorrelation".
    value : float
        A length in `units`; NaN where it is not determined.
    interval : (float, float)
        Where the value lies with the probability `level`; NaN where the method knows
        none.
    is_bound : bool
        The value is the most that the resolution can be: the sampling does not tell
        more.
    note : str
        What the value means, or why there is none.
    units : str
    level : float
    lengths : dict of str to float
        Other lengths that belong to it, in the same units.
    curve : dict of str to array
        What the value was read from; the first entry is the abscissa.
    """

    method: str
    value: float
    interval: tuple = (np.nan, np.nan)
    is_bound: bool = False
    note: str = ""
    units: str = "px"
    level: float = 0.95
    lengths: dict = field(default_factory=dict)
    curve: dict = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "interval", tuple(map(float, self.interval)))

    @property
    def determined(self):
        """Whether there is a value or a bound."""
        return bool(np.isfinite(self.value))

    def in_units(self, units):
        """The same with the name of a unit.

        Parameters
        ----------
        units : str
            Anything else stands for a length without one.
        """
        named = isinstance(units, str) and units.strip()
        return replace(self, units=units if named else "(no unit)")

    def describe(self):
        """The value in words."""
        if not self.determined:
            return "not determined"
        if self.is_bound:
            return f"at most {self.value:.3g} {self.units}"
        low, high = self.interval
        between = f" ({low:.3g} to {high:.3g})" if np.isfinite(low + high) else ""
        return f"{self.value:.3g}{between} {self.units}"

    def __repr__(self):
        lines = [f"Resolution by {self.method}: {self.describe()}"]
        if self.note:
            lines.append(f"  {self.note}")
        lines += [
            f"  {name:<12s}{length:.3g} {self.units}"
            for name, length in self.lengths.items()
        ]
        return "\n".join(lines)

    def plot(self, ax=None):
        """Draw the curve that the value was read from.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Default: those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        import sparsedecomp

        return sparsedecomp.plotting.plot_resolution(self, ax=ax)


def as_map(image, name="map"):
    """A map as finite float64 rows and columns, at least eight of each.

    Parameters
    ----------
    image : (rows, columns) array
    name : str

    Raises
    ------
    ValueError
    """
    image = np.asarray(image, float)
    if image.ndim != 2 or min(image.shape) < 8:
        raise ValueError(
            f"The {name} has the shape {image.shape}, expected rows and columns, at "
            "least 8 of each."
        )
    if not np.isfinite(image).all():
        i, j = np.argwhere(~np.isfinite(image))[0]
        raise ValueError(
            f"The {name} is NaN or infinite at row {i}, column {j}: crop it, or mend "
            "such pixels."
        )
    return image


def frequencies_of(shape, steps=(1.0, 1.0)):
    """Radial frequencies of ``rfft2`` and how often each counts.

    Parameters
    ----------
    shape : (int, int)
    steps : (float, float), default (1, 1)
        Between rows and columns.

    Returns
    -------
    radius, multiplicity : (rows, columns // 2 + 1) arrays
        In cycles per unit of the steps.
    """
    rows = np.fft.fftfreq(shape[0], steps[0])
    radius = np.hypot(rows[:, None], np.fft.rfftfreq(shape[1], steps[1]))
    multiplicity = np.full(radius.shape, 2.0)
    multiplicity[:, 0] = 1
    if shape[1] % 2 == 0:
        multiplicity[:, -1] = 1
    return radius, multiplicity


def steps_of(step):
    """Steps of rows and columns; refuses what are no lengths.

    Parameters
    ----------
    step : float or (float, float)

    Raises
    ------
    ValueError
    """
    steps = np.asarray(step, float)
    if steps.shape not in ((), (2,)) or not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(
            f"step={step!r} was given, expected a positive length, or one for rows and "
            "one for columns."
        )
    return np.broadcast_to(steps, 2)

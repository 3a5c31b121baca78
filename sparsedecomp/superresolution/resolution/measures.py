"""Which methods `estimate_resolution` knows by name, and what each of them needs.

Adding a method takes a function and one entry of :data:`MEASURES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sparsedecomp.superresolution.method_table import Entry, MethodTable

_HERE = "sparsedecomp.superresolution.resolution."
_EDGES = {"shape": "logistic", "level": 0.95}


@dataclass(frozen=True, kw_only=True)
class Measure(Entry):
    """One way to measure a resolution.

    Attributes
    ----------
    needs : {"map", "lines", "halves"}
        What the function is given before the step and its parameters: a map, lines
        across an edge along the axis ``across``, or two maps of independent noise: of
        the signal and ``other``, or of two halves of the counts of size ``gain``, which
        ``random_state`` deals out.
    """

    needs: Literal["map", "lines", "halves"] = "map"


MEASURES = MethodTable(
    Measure(
        name="edge",
        target=_HERE + "edges:edge_resolution",
        summary="width of the sharpest edges, which are found by themselves",
        parameters=_EDGES,
    ),
    Measure(
        name="profiles",
        target=_HERE + "edges:edge_width",
        summary="width of one straight edge that every line of the map crosses",
        parameters={"across": None, "bar": False, **_EDGES},
        needs="lines",
    ),
    Measure(
        name="frc",
        target=_HERE + "ring_correlation:ring_resolution",
        summary="frequency up to which two independent measurements agree (Fourier "
        "ring correlation)",
        parameters={
            "other": None,
            "gain": None,
            "random_state": 0,
            "threshold": "1/7",
            "taper": "hann",
            "level": 0.95,
        },
        needs="halves",
    ),
    Measure(
        name="decorrelation",
        target=_HERE + "decorrelation:decorrelation_resolution",
        summary="highest frequency that stands out in a map (decorrelation analysis)",
    ),
)

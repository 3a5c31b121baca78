"""Reports that signals carry, also after they were saved and loaded."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..results import Result
from .types import BaseSignal


def keep_report(signal: BaseSignal, place: str, report: Any) -> None:
    """Keep a report in the metadata of the signal that it is about.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The signal.
    place : str
        Name of the report in the metadata. The attribute that `report_kept_at` makes
        has the same name in lower case.
    report : Result
        Its figures, ``report.as_dict()``, are kept in ``metadata``, all of it in
        ``original_metadata``.
    """
    signal.metadata.set_item(place, report.as_dict())
    record = np.frombuffer(report.to_bytes(), np.uint8)
    signal.original_metadata.set_item(place, record)
    setattr(signal, place.lower(), report)


def report_kept_at(place: str, kind: type[Result], method: str) -> cached_property:
    """Attribute of signals that reads a report which was kept.

    Parameters
    ----------
    place : str
        Name of the report in the metadata.
    kind : type
        Class of the report.
    method : str
        Call that makes such signals, for the message where there is no report.

    Returns
    -------
    functools.cached_property
        It raises AttributeError for signals without such a report.
    """

    def kept_report(self: BaseSignal) -> Result:
        record = self.original_metadata.get_item(place)
        if record is None:
            raise AttributeError(
                f"{self} has no attribute '{place.lower()}': it is no result of "
                f"`{method}`."
            )
        return kind.from_bytes(np.asarray(record).tobytes())

    kept_report.__doc__ = f"Report of how the signal was made by `{method}`."
    return cached_property(kept_report)

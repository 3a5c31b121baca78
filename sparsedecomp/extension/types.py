"""Types of HyperSpy for annotations; HyperSpy itself is not imported for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from hyperspy.api.signals import BaseSignal
    from hyperspy.axes import UniformDataAxis
else:
    BaseSignal = UniformDataAxis = Any

# Mask of pixels or channels as HyperSpy accepts it; True leaves out.
Mask: TypeAlias = np.ndarray | BaseSignal

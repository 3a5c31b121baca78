"""Pictures of a search for hyper-parameters."""

import numpy as np
import pytest

from sparsedecomp.superresolution import Tuning


@pytest.mark.parametrize("names", [("weight",), ("weight", "psf")])
def test_one_axes_for_each_parameter(names):
    parameters = np.geomspace(0.01, 10, 5 * len(names)).reshape(5, -1)
    found = Tuning(
        "likelihood",
        names,
        parameters,
        np.arange(5.0),
        np.ones(5),
        np.full(5, 2.0),
        dict(zip(names, parameters[0].tolist(), strict=True)),
        0,
        np.zeros((4, 2)),
    )
    axes = found.plot()
    assert [ax.get_xlabel() for ax in axes] == list(names)
    assert axes[0].get_xscale() == "log"
    chosen = axes[0].lines[-1]
    assert chosen.get_xdata()[0] == parameters[0, 0] and chosen.get_ydata()[0] == 0

"""Displacements of a Debye solid."""

import numpy as np
import pytest

from sparsedecomp.xas.theory.debye import debye_sigma2

COPPER = {"theta": 315.0, "mass": 63.546, "density": 4 / 3.61**3}


def test_limits_of_temperature():
    # Hot: proportional to T. Far apart: twice the displacement of one atom, which is
    # 3 hbar^2 T / (m k theta^2) each way when hot.
    r = np.array([2.55, 100.0])
    hot, hotter = (debye_sigma2(r, t, **COPPER) for t in (3000, 6000))
    np.testing.assert_allclose(hotter / hot, 2, rtol=0.01)
    alone = 6 * 48.5087 * 3000 / (63.546 * 315**2)
    np.testing.assert_allclose(hot[1], alone, rtol=0.02)
    cold, colder = (debye_sigma2(2.55, t, **COPPER) for t in (2, 1))
    np.testing.assert_allclose(cold, colder, rtol=1e-2)
    assert np.all(np.diff(debye_sigma2(np.array([2.5, 3.6, 6.0]), 300, **COPPER)) > 0)


def test_copper_as_larch_has_it():
    # sigma2_debye of xraylarch 2026.3.1 for the first shell of copper, which takes the
    # density from the muffin tins: within three per cent.
    for temperature, expected in ((10, 0.0031598), (150, 0.0051132), (300, 0.0090382)):
        found = debye_sigma2(2.5478, temperature, **COPPER)
        assert found == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("name", ["temperature", "theta", "mass", "density"])
def test_what_is_not_positive_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}=0: give a positive number"):
        debye_sigma2(2.5, **{"temperature": 300, **COPPER, name: 0})

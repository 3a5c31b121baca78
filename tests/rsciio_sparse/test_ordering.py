"""Order of energies: quick scans are averaged, joined scans refused."""

import numpy as np
import pytest

from rsciio_sparse import MalformedFile
from rsciio_sparse._ordering import ordered

ENERGY = np.arange(7000.0, 7400.0, 0.05)


def mu(energy):
    return np.arctan((energy - 7112) / 2)


@pytest.mark.parametrize("direction", [1, -1])
def test_quick_scans_are_averaged_in_bins_as_wide_as_their_jitter(direction, caplog):
    rng = np.random.default_rng(0)
    energy = (ENERGY + rng.normal(0, 0.1, len(ENERGY)))[::direction]
    noise = rng.normal(0, 0.05, len(ENERGY))
    values = mu(energy) + noise
    values[500] = np.nan
    found, averaged = ordered("scan", energy, values, None)
    assert np.all(np.diff(found) > 0) and len(found) < len(ENERGY) / 3
    # Bins of about four points have half the noise.
    assert np.std(averaged - mu(found)) == pytest.approx(0.025, rel=0.15)
    assert "the energies jitter by 0.1 eV" in caplog.text


def test_joined_and_short_scans_are_refused():
    joined = np.concatenate([ENERGY, ENERGY])
    with pytest.raises(MalformedFile, match="split scans that were joined"):
        ordered("scan", joined, mu(joined), None)
    wild = np.array([1.0, 3, 2, 5, 4, 7, 6]) + 7000
    with pytest.raises(MalformedFile, match="Sort its rows"):
        ordered("scan", wild, wild, None)

"""EXAFS of single atoms and its derivatives, against the formula by SciPy."""

import numpy as np
import pytest

from sparsedecomp.kernels.exafs import stick_columns
from sparsedecomp.xas.theory.channels import Channel, _table
from sparsedecomp.xas.theory.scattering import ScatteringGrid
from sparsedecomp.xas.units import ETOK
from tests.naive.scattering import exafs


@pytest.fixture(scope="module")
def grid():
    """Smooth made-up amplitudes; even the worst phase shift is not steep."""
    k, r = np.linspace(0, 16, 33), np.arange(2.0, 3.01, 0.25)
    amplitude = np.exp(-0.02 * (k - 6) ** 2) * (1 + 0.1 * r[:, None])
    phase = 4 - 0.6 * k + 0.3 * np.sin(k / 2) + 0.2 * r[:, None]
    return ScatteringGrid(
        "Cu", "K", "Cu", r, k, amplitude, phase, 6 + 0.5 * k, k + 0.1 * np.exp(-k)
    )


K = np.array([2.0, 3.3, 5.1, 9.0, 15.2])
R = np.array([2.1, 2.5, 2.83])
AT = {
    "e0": np.array([4.0, -3.0, 0.0]),
    "sigma2": np.array([0.004, 0.006, 0.01]),
    "third": np.array([0.0, 1e-4, -2e-4]),
}


def columns(run, grid, k=K, r=R, e0=None, **at):
    at = {**AT, **at}
    e0 = AT["e0"] if e0 is None else e0
    return run(stick_columns, k, r, e0 * ETOK, at["sigma2"], at["third"], *_table(grid))


def test_is_the_exafs_equation(run, grid):
    found = columns(run, grid)
    expected = exafs(grid, K, R, **AT)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("row", "name", "step"),
    [(1, "r", 1e-6), (2, "e0", 1e-4), (3, "sigma2", 1e-7), (4, "third", 1e-8)],
)
def test_derivatives(run, grid, row, name, step):
    start = {"r": R, **AT}[name]
    high = columns(run, grid, **{name: start + step})[0]
    low = columns(run, grid, **{name: start - step})[0]
    found = columns(run, grid)[row] * (ETOK if name == "e0" else 1)
    slope = (high - low) / (2 * step)
    # At a distance of the grid the slope jumps: the middle one is such.
    of = [0, 2] if name == "r" else [0, 1, 2]
    scale = np.abs(slope).max()
    np.testing.assert_allclose(found[of], slope[of], atol=1e-5 * scale)


def test_wavenumbers_need_not_increase_and_start_below_the_edge(run, grid):
    order = np.array([3, 0, 4, 1, 2])
    found = columns(run, grid, k=K[order])
    np.testing.assert_allclose(found, columns(run, grid)[:, :, order], rtol=1e-12)
    assert np.all(np.isfinite(columns(run, grid, k=np.array([0.01, 0.5]))))


def test_channel_adds_its_grids(grid):
    one = Channel("Cu", (grid,), (1.0,), 2.0, 0.9)
    two = Channel("Cu", (grid, grid), (1.0, 2.0), 2.0, 0.9)
    a = one.columns(K, R, **AT)
    np.testing.assert_allclose(two.columns(K, R, **AT), 3 * a, rtol=1e-12)
    np.testing.assert_allclose(a[0], exafs(grid, K, R, s02=0.9, **AT), atol=1e-12)
    assert one.r_limits == (2.0, 3.0) and one.kmax == 16

"""Observation operators: adjoints, what they sample, masks, pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsedecomp.superresolution import FrameOperator, Geometry
from sparsedecomp.superresolution.observation.taps import SUPPORT, taps

SHIFTS = np.array([(0, 0), (0.4, 0), (0.8, 0.37), (-1.2, 2.1)])


def operator(scale=2.5, shape=(9, 11), psf=0.0, kernel="cubic", mask=None):
    return FrameOperator(
        Geometry.around(SHIFTS, shape, scale), psf=psf, kernel=kernel, mask=mask
    )


@given(
    st.floats(1, 4),
    st.floats(0, 1.5),
    st.sampled_from(sorted(SUPPORT)),
    st.sampled_from([np.float32, np.float64]),
    st.integers(1, 3),
)
def test_dot_product(scale, psf, kernel, dtype, n_factors):
    rng = np.random.default_rng(0)
    mask = rng.random((4, 9, 11)) < 0.2
    A = operator(scale, psf=psf, kernel=kernel, mask=mask)
    X = rng.random((*A.geometry.shape, n_factors)).astype(dtype)
    Y = rng.random((4, 9, 11, n_factors)).astype(dtype)
    left = np.vdot(A.forward(X).astype(float), Y)
    right = np.vdot(X, A.adjoint(Y).astype(float))
    assert left == pytest.approx(right, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_number_of_threads_changes_rounding_only(monkeypatch, rng):
    A = operator(shape=(40, 30))
    X, Y = rng.random((*A.geometry.shape, 2)), rng.random((4, 40, 30, 2))
    alone = A.forward(X), A.adjoint(Y)
    monkeypatch.setenv("SPARSEDECOMP_NUM_THREADS", "3")
    for found, expected in zip((A.forward(X), A.adjoint(Y)), alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", ["cubic", "linear"])
def test_a_ramp_is_sampled_where_the_samples_are(kernel):
    A = operator(kernel=kernel)
    g = A.geometry
    X = np.add.outer(np.arange(g.shape[0]), 3.0 * np.arange(g.shape[1]))[..., None]
    rows, columns = g.positions(0), g.positions(1)
    expected = rows[:, :, None] + 3 * columns[:, None, :]
    inner = (rows > 1) & (rows < g.shape[0] - 2)
    inner = inner[:, :, None] & ((columns > 1) & (columns < g.shape[1] - 2))[:, None]
    np.testing.assert_allclose(A.forward(X)[..., 0][inner], expected[inner])


def test_point_spread_blurs_a_wave_as_a_gaussian_does():
    index, weight = taps(np.array([40.0]), 81, "lanczos4", psf=1.5)
    wave = np.cos(0.5 * (np.arange(81) - 40))
    found = (weight * wave[index]).sum()
    assert found == pytest.approx(np.exp(-0.5 * (0.5 * 1.5) ** 2), rel=5e-3)


@given(st.floats(-2, 12))
def test_weights_add_up_to_one_and_stay_inside(position):
    for kernel in SUPPORT:
        index, weight = taps([position], 9, kernel, psf=0.7)
        assert index.min() >= 0 and index.max() <= 8
        assert weight.sum() == pytest.approx(1)


def test_norm_bounds_the_operator(rng):
    A = operator()
    X = rng.random((*A.geometry.shape, 1))
    assert np.linalg.norm(A.forward(X)) <= A.norm() * np.linalg.norm(X)


def test_pieces_cover_the_map_and_see_what_the_whole_sees(rng):
    A = operator(shape=(30, 26))
    X = rng.random((*A.geometry.shape, 2))
    Y = A.forward(X)
    covered = np.zeros(A.geometry.shape, int)
    for tile in A.tiles(20, halo=8):
        covered[tile.outer] += 1
        window = tuple(
            slice(o.start - i.start, o.start - i.start + n)
            for o, i, n in zip(
                tile.outer, tile.inner, tile.operator.geometry.shape, strict=True
            )
        )
        assert X[window][tile.inner].shape == X[tile.outer].shape
        found, whole = tile.operator.forward(X[window]), tile.samples(Y)
        rows, columns = (tile.operator.geometry.positions(a) for a in (0, 1))
        h, w = tile.operator.geometry.shape
        deep = ((rows > 2) & (rows < h - 3))[:, :, None]
        deep = deep & ((columns > 2) & (columns < w - 3))[:, None] & ~tile.operator.mask
        np.testing.assert_allclose(found[deep], whole[deep], atol=1e-12)
    assert (covered == 1).all()


def test_masked_samples_are_zero_and_have_no_weight(rng):
    mask = np.zeros((4, 9, 11), bool)
    mask[1, 2, 3] = True
    A = operator(mask=mask)
    X, Y = rng.random((*A.geometry.shape, 1)), np.zeros((4, 9, 11, 1))
    Y[1, 2, 3] = 1
    assert A.forward(X)[1, 2, 3] == 0 and not A.adjoint(Y).any()
    assert A.n_samples == 4 * 99 - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0.9}, "scale=0.9 was given, expected at least 1"),
        ({"scale": np.nan}, "expected at least 1"),
        ({"psf": 9.0}, "wider than the field"),
        ({"psf": -1.0}, "expected the standard deviation"),
        ({"mask": np.ones((4, 9, 11), bool)}, "All samples are masked"),
        ({"mask": np.ones((4, 9), bool)}, r"shape \(4, 9\), expected \(4, 9, 11\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        operator(**arguments)


@pytest.mark.parametrize(
    ("shift", "message"),
    [((np.nan, 0), "shift of frame 1 is"), ((0, 40.0), "hardly overlap")],
)
def test_absurd_shifts(shift, message):
    with pytest.raises(ValueError, match=message):
        Geometry.around([(0, 0), shift, (0, 0)], (9, 11), 2)

"""Frames made one map by sparse codes: patches, codes, matches, shifts, choices."""

import numpy as np
import pytest

from sparsedecomp.superresolution import (
    FrameOperator,
    Geometry,
    cosine_dictionary,
    image_dictionary,
    match_scores,
    resolve,
    sparse_map,
    sparse_register,
    tikhonov,
)
from sparsedecomp.superresolution.selection import Trial
from sparsedecomp.superresolution.solvers.patches import Overlap, groups_of
from sparsedecomp.superresolution.solvers.solution import Iterations
from sparsedecomp.superresolution.solvers.sparse_coding import (
    code_patches,
    dictionary_for,
    fit_near_codes,
    select_penalty,
)

THIRDS = np.array([(y, x) for y in (0, 1 / 3, 2 / 3) for x in (0, 1 / 3, 2 / 3)])
COSINES = 10 * cosine_dictionary(8, 100)[1:]


def bars(n, seed):
    """A map of bars of all sizes, one over the other."""
    rng = np.random.default_rng(seed)
    image = np.zeros((n, n))
    for _ in range(n):
        (i, j), (h, w) = rng.integers(0, n, 2), rng.integers(2, n // 3, 2)
        image[i : i + h, j : j + w] = rng.uniform(0, 10)
    return image


def rmse(found, truth, border=3):
    inner = (slice(border, -border),) * 2
    return float(np.sqrt(np.mean((found - truth)[inner] ** 2)))


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    """Atoms learnt from other maps of the same kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEDECOMP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        references = [bars(90, seed) for seed in range(1, 7)]
        return image_dictionary(10, 200, references, n_patches=8000)


@pytest.fixture(scope="module")
def scan():
    """Nine frames with noise of one, of two factors, and their truth."""
    A = FrameOperator(Geometry.around(THIRDS, (24, 24), 2))
    truth = np.stack([bars(64, seed) for seed in (20, 21)], axis=2).astype(np.float32)
    truth = truth[: A.geometry.shape[0], : A.geometry.shape[1]]
    noise = np.random.default_rng(0).normal(size=(9, 24, 24, 2))
    return A, (A.forward(truth) + noise).astype(np.float32), truth


@pytest.mark.parametrize(("scale", "stride"), [(2.5, 3), (3.0, 4), (2.37, 5)])
def test_atoms_of_a_group_are_what_the_frames_see_of_a_patch(scale, stride, rng):
    A = FrameOperator(Geometry.around(THIRDS[:4], (13, 12), scale), kernel="linear")
    D = rng.normal(size=(3, 64))
    # With the map as the samples, a group's samples are what the frames see of it.
    smooth = np.zeros((*A.geometry.shape, 1))
    starts = set()
    for group in groups_of(A, A.forward(smooth), D, stride):
        starts |= set(zip(group.rows, group.columns, strict=True))
        i, j = group.rows[-1], group.columns[-1]
        X = np.zeros((*A.geometry.shape, 3))
        X[i : i + 8, j : j + 8] = np.moveaxis(D.reshape(3, 8, 8), 0, 2)
        seen = list(groups_of(A, A.forward(X), D, stride))
        (own,) = [
            g.samples[(g.rows == i) & (g.columns == j)][0]
            for g in seen
            if ((g.rows == i) & (g.columns == j)).any()
        ]
        np.testing.assert_allclose(group.atoms, own.T, atol=0.05)
    rows, columns = (
        set(np.append(np.arange(0, n - 7, stride), n - 8)) for n in A.geometry.shape
    )
    assert starts == {(i, j) for i in rows for j in columns}


def test_masked_samples_say_nothing(scan):
    A, Y, _ = scan
    mask = np.random.default_rng(1).random(A.mask.shape) < 0.02
    mask[:, 3:5, 4:6] = True
    B = A.without(mask)
    wrong = np.where(mask[..., None], np.float32(1e3), Y)
    start = np.zeros((*A.geometry.shape, 2), np.float32)
    given = (COSINES, 1.0)
    one, two = (
        code_patches(B, y, *given, stride=4, otherwise=start) for y in (Y, wrong)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(
        one, code_patches(A, Y, *given, stride=4, otherwise=start)
    )


def test_where_no_patch_has_samples_the_other_map_is_kept(scan):
    A, Y, _ = scan
    mask = np.zeros(A.mask.shape, bool)
    mask[:, :12] = True
    start = np.full((*A.geometry.shape, 2), 7, np.float32)
    x = code_patches(A.without(mask), Y, COSINES, 1.0, stride=2, otherwise=start)
    assert np.all(x[:14] == 7) and not np.any(x[30:] == 7)


def test_overlap_averages():
    overlap = Overlap((9, 9, 1), 5)
    patches = np.full((4, 5, 5, 1), 3.0)
    overlap.add(np.array([0, 0, 3, 3]), np.array([0, 4, 0, 3]), patches)
    x = overlap.mean(np.zeros((9, 9, 1)))
    np.testing.assert_allclose(x[overlap.weight > 0], 3)
    assert x[8, 8, 0] == 0


def test_known_atoms_are_found_again():
    # A map that is one atom everywhere, without noise: the codes reproduce it.
    A = FrameOperator(Geometry.around(THIRDS, (16, 16), 2))
    wave = np.cos(np.pi / 5 * np.arange(40))
    truth = np.outer(wave, wave)[: A.geometry.shape[0], : A.geometry.shape[1], None]
    found = sparse_map(A, A.forward(20 * truth), 0.05, dictionary=COSINES)
    assert found.converged and rmse(found.x, 20 * truth) < 0.2


def test_reference_maps_teach_more_than_smoothness_knows(scan, dictionary):
    A, Y, truth = scan
    found = sparse_map(A, Y, dictionary=dictionary)
    smooth = min(rmse(tikhonov(A, Y, w).x, truth) for w in (0.1, 0.3, 1.0))
    assert rmse(found.x, truth) < 0.85 * smooth
    assert found.x.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_polish_solves_its_normal_equations(scan, dtype):
    A, Y, truth = scan
    Y, coded = Y.astype(dtype), np.zeros_like(truth, dtype)
    run = Iterations("least squares", 1e-5, None)
    found = fit_near_codes(A, Y, coded, 3.0, run=run)
    slope = A.adjoint(A.forward(found.x) - Y) + 3 * (found.x - coded)
    assert found.x.dtype == dtype and found.converged
    assert np.abs(slope).max() < 1e-3 * np.abs(A.adjoint(Y)).max()


def test_threads_change_nothing(scan, monkeypatch):
    A, Y, truth = scan
    runs = []
    for n in (1, 3):
        for module in ("solvers.sparse_coding", "threads"):
            monkeypatch.setattr(
                f"sparsedecomp.superresolution.{module}.thread_count", lambda n=n: n
            )
        runs.append(code_patches(A, Y, COSINES, 1.0, stride=4, otherwise=truth))
    np.testing.assert_array_equal(*runs)


def test_frames_that_do_not_match_are_left_out(scan, dictionary):
    A, Y, truth = scan
    wrong = Y.copy()
    wrong[4] = np.roll(wrong[4], 7, axis=0)
    mask = np.zeros(A.mask.shape, bool)
    mask[2] = True
    scores = match_scores(A.without(mask), wrong, truth)
    assert scores.argsort()[0] == 4 and np.isnan(scores[2])
    with pytest.warns(UserWarning, match=r"Frames \[4\] are left out"):
        found = sparse_map(A, wrong, dictionary=dictionary)
    kept = sparse_map(A, wrong, dictionary=dictionary, least_match=0.0)
    assert rmse(found.x, truth) < 0.8 * rmse(kept.x, truth)


def test_method_by_name_chooses_its_penalty(scan, dictionary):
    A, Y, truth = scan
    options = {"registration": False, "dictionary": dictionary}
    found = resolve(Y, THIRDS, 2.0, method="sparse", **options)
    assert found.method == "sparse" and found.weight in (0.25, 0.5, 1.0, 2.0, 4.0)
    assert found.scores["sparse"] < found.scores["interpolation"]
    best = min(
        rmse(sparse_map(A, Y, w, dictionary=dictionary).x, truth) for w in (0.5, 1, 2)
    )
    assert rmse(found.maps, truth) < 1.1 * best
    given = resolve(Y, THIRDS, 2.0, method="sparse", weight=0.3, **options)
    assert given.weight == 0.3


def test_pull_is_the_strongest_that_samples_allow(scan, dictionary):
    from sparsedecomp.superresolution import Process

    A, Y, truth = scan
    trial = Trial(A, Y, [Process(9.0, 1.0, (2.0, 2.0))] * 2)
    of_noise, _ = select_penalty(trial, 1.0, None, dictionary)
    trial.Y = A.forward(truth)
    trial.truth = trial.Y[trial.A.mask & ~A.mask]
    of_truth, _ = select_penalty(trial, 1.0, None, dictionary)
    # Without noise the samples are to be trusted more than the codes.
    assert of_truth["pull"] < of_noise["pull"]


def test_shifts_and_codes_are_found_in_turn(scan, dictionary):
    A, Y, _ = scan
    off = 0.1 * np.random.default_rng(2).normal(size=(9, 2))
    off -= off.mean(axis=0)
    B = FrameOperator(A.geometry.moved(THIRDS + off))
    found = sparse_register(B, Y, dictionary=dictionary, n_rounds=4)
    away = found.shifts - THIRDS
    assert np.sqrt(np.mean(away**2)) < 0.4 * np.sqrt(np.mean(off**2))
    np.testing.assert_allclose(away.mean(axis=0), 0, atol=1e-9)
    assert found.weights.min() >= 0 and len(found.changes) == 4
    # A few candidates make each warp.
    assert np.count_nonzero(found.weights, axis=1).max() < 12


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 60)), r"expected \(n_atoms, size\*\*2\)"),
        (np.full((5, 64), np.nan), "without NaN"),
        (np.ones((5, 9)), "4 x 4 at least"),
        (np.zeros((5, 51**2)), "expected at least 51 x 51, the size of a patch"),
    ],
)
def test_bad_dictionaries(scan, given, message):
    with pytest.raises(ValueError, match=message):
        dictionary_for(scan[0].geometry, given)


def test_default_dictionary_fits_the_scale(monkeypatch):
    from sparsedecomp.superresolution.solvers import sparse_coding

    monkeypatch.setattr(sparse_coding, "image_dictionary", lambda size: size)
    sizes = [
        dictionary_for(Geometry.around(THIRDS, (20, 20), scale))
        for scale in (1.0, 2.0, 2.5, 3.0, 5.0)
    ]
    assert sizes == [8, 10, 12, 15, 16]
    with pytest.raises(ValueError, match="expected at least 15 x 15"):
        dictionary_for(Geometry.around(THIRDS, (4, 4), 3.0))


def test_large_groups_are_coded_in_pieces(scan, monkeypatch):
    from sparsedecomp.superresolution.solvers import patches

    A, Y, truth = scan
    whole = code_patches(A, Y, COSINES, 1.0, stride=2, otherwise=truth)
    monkeypatch.setattr(patches, "_AT_ONCE", 100)
    assert max(len(g.rows) for g in groups_of(A, Y, COSINES, 2)) <= 50
    pieces = code_patches(A, Y, COSINES, 1.0, stride=2, otherwise=truth)
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_signals_are_resolved_with_a_dictionary(dictionary):
    import hyperspy.api as hs

    import sparsedecomp

    truth = bars(40, 30)
    frames = []
    for y in (0, 1):
        for x in (0, 1):
            s = hs.signals.Signal1D(truth[y::2, x::2, None] * [1.0, 2.0, 3.0])
            s.data = s.data + np.random.default_rng(2 * y + x).normal(size=s.data.shape)
            s.axes_manager[0].offset, s.axes_manager[1].offset = x / 2, y / 2
            frames.append(s)
    fine = sparsedecomp.super_resolve(
        frames, 2, method="sparse", dictionary=dictionary, registration=False
    )
    assert fine.super_resolution.fine.method == "sparse"
    assert rmse(fine.data[..., 2] / 3, truth) < 0.6

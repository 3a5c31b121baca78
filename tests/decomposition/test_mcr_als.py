"""Curve resolution: exact steps, kept constraints, known parts, and the peer."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsedecomp import datasets
from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition import MCRALS, VCA
from sparsedecomp.decomposition.geometric.corners import corners_of_cone
from sparsedecomp.decomposition.initialisation import start_candidates
from sparsedecomp.decomposition.iterate import iterate
from sparsedecomp.decomposition.mcr.alternating import (
    AlternatingLeastSquares,
    MCRState,
)
from sparsedecomp.decomposition.mcr.constraints import (
    constrained_rows,
    maps_step,
    spectra_step,
)
from sparsedecomp.metrics import match_components
from sparsedecomp.noise.signal_space import signal_space


@pytest.fixture
def mixed(make):
    """Return maps that add up to one, spectra, and data with a little noise."""
    maps, spectra = make(n=300, m=70)
    rng = np.random.default_rng(3)
    return maps, spectra, maps @ spectra + rng.normal(0, 0.01, (300, 70))


@parametrize_with_checks([MCRALS(1, random_state=0), MCRALS(random_state=0)])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def falls(history):
    return np.all(np.diff(history) <= 1e-7 * history[0])


# Accuracy and course


@pytest.mark.parametrize(
    "constraint", ["nonnegative", "sum_to_one", "fully_constrained"]
)
@pytest.mark.parametrize("unimodal", [False, True])
@pytest.mark.parametrize("compression", ["auto", None])
def test_every_constraint_is_kept_and_the_misfit_falls(
    mixed, constraint, unimodal, compression
):
    _, _, X = mixed
    model = MCRALS(
        3,
        constraint=constraint,
        unimodal=unimodal,
        compression=compression,
        random_state=0,
    )
    W = model.fit_transform(X)
    assert model.converged_
    history, exact = model.objective_history_, model.n_exact_
    assert exact == (len(history) if compression is None else min(exact, 5))
    assert falls(history[:-exact]) if compression else True
    assert falls(history[-exact:])
    assert model.components_.min() >= 0
    if constraint != "sum_to_one":
        assert W.min() >= 0
    if constraint != "nonnegative":
        np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-9)
    if unimodal:
        for s in model.components_:
            peak = np.argmax(s)
            assert np.all(np.diff(s[: peak + 1]) >= -1e-12)
            assert np.all(np.diff(s[peak:]) <= 1e-12)
    residual = np.linalg.norm(X - W @ model.components_)
    assert model.residual_norm_ == pytest.approx(residual, rel=1e-9)
    assert model.lack_of_fit_ == pytest.approx(100 * residual / np.linalg.norm(X))
    assert model.explained_variance_ == pytest.approx(100 - model.lack_of_fit_**2 / 100)
    U, s, V = np.linalg.svd(X, full_matrices=False)
    signal = (U[:, :3] * s[:3]) @ V[:3]
    left = np.linalg.norm(signal - W @ model.components_)
    assert model.lack_of_fit_pca_ == pytest.approx(
        100 * left / np.linalg.norm(signal), rel=1e-3, abs=1e-4
    )


def test_known_spectra_free_the_others(mixed):
    maps, spectra, X = mixed
    open_angles = match_components(
        spectra, MCRALS(3, random_state=0).fit(X).components_
    )[2]
    model = MCRALS(3, known_spectra=spectra[[2, 0]], random_state=0)
    W = model.fit_transform(X)
    known = model.components_[model.known_spectra_]
    assert {tuple(s) for s in known} == {tuple(spectra[2]), tuple(spectra[0])}
    _, found, angles = match_components(spectra, model.components_)
    assert angles.max() < 1.5 and angles.max() <= open_angles.max() + 1e-9
    np.testing.assert_allclose(W[:, found[0]], maps[:, 0], atol=0.05)


def test_known_components_come_first_in_the_given_order(mixed):
    maps, spectra, X = mixed
    # The weakest reference is given first, the strongest last.
    strength = np.square(maps).sum(axis=0) * np.square(spectra).sum(axis=1)
    order = np.argsort(strength)
    model = MCRALS(3, known_spectra=spectra[order], random_state=0)
    W = model.fit_transform(X)
    np.testing.assert_array_equal(model.components_, spectra[order])
    np.testing.assert_array_equal(model.known_, [0, 1, 2])
    np.testing.assert_allclose(W, maps[:, order], atol=0.03)

    model = MCRALS(
        3,
        known_spectra=spectra[order[:1]],
        known_maps=maps[:, order[1:2]],
        random_state=0,
    )
    W = model.fit_transform(X)
    np.testing.assert_array_equal(model.components_[0], spectra[order[0]])
    np.testing.assert_array_equal(W[:, 1], maps[:, order[1]])
    np.testing.assert_array_equal(model.known_, [0, 1, -1])
    assert model.known_spectra_.tolist() == [True, False, False]
    assert model.known_maps_.tolist() == [False, True, False]


def test_known_maps_stay_and_take_their_part_of_the_sum(mixed):
    maps, spectra, X = mixed
    model = MCRALS(
        3, known_maps=maps[:, [1]], constraint="fully_constrained", random_state=0
    )
    W = model.fit_transform(X)
    (j,) = np.flatnonzero(model.known_maps_)
    np.testing.assert_array_equal(W[:, j], maps[:, 1])
    np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-9)
    assert match_components(spectra[[1]], model.components_[[j]])[2][0] < 2


def test_everything_known_is_plain_least_squares(mixed):
    maps, spectra, X = mixed
    model = MCRALS(3, known_spectra=spectra, random_state=0)
    W = model.fit_transform(X)
    np.testing.assert_allclose(model.transform(X), W, atol=1e-10)
    _, order, _ = match_components(spectra, model.components_)
    np.testing.assert_allclose(W[:, order], maps, atol=0.03)


def test_unimodality_finds_spectra_that_no_pixel_shows_alone(rng):
    channel = np.arange(60)
    peaks = np.exp(-0.5 * ((channel - np.array([[15], [40]])) / 6) ** 2)
    maps = np.clip(rng.dirichlet([1, 1], 200), 0.15, 0.85)
    X = maps @ peaks + 0.02 * rng.random((200, 60))
    free, single = (
        MCRALS(2, unimodal=unimodal, random_state=0).fit(X)
        for unimodal in (False, [0, 1])
    )
    assert match_components(peaks, free.components_)[2].min() > 8
    assert match_components(peaks, single.components_)[2].max() < 3


def test_tolerance_lets_a_unimodal_spectrum_rise_again(mixed):
    _, _, X = mixed
    fits = [
        MCRALS(3, unimodal=True, unimodality_tolerance=t, random_state=0).fit(X)
        for t in (0.0, 0.3)
    ]
    assert fits[1].lack_of_fit_ < fits[0].lack_of_fit_
    ratio = fits[1].components_[:, 1:] / np.maximum(fits[1].components_[:, :-1], 1e-12)
    assert np.any(np.diff(np.sign(np.diff(fits[1].components_))) > 0)
    assert ratio.max() > 1


@pytest.mark.parametrize("scale", ["norm", "max", "sum"])
def test_scale_of_the_spectra_moves_no_fit(mixed, scale):
    _, _, X = mixed
    plain = MCRALS(3, normalize=None, compression=None, random_state=0).fit(X)
    model = MCRALS(3, normalize=scale, compression=None, random_state=0).fit(X)
    size = {"norm": np.linalg.norm, "max": np.max, "sum": np.sum}[scale]
    np.testing.assert_allclose([size(s) for s in model.components_], 1)
    np.testing.assert_allclose(
        model.objective_history_, plain.objective_history_, rtol=1e-6
    )


@pytest.mark.parametrize("init", ["auto", "vca", "spa", "nndsvd", "random"])
def test_every_start_fits_to_the_noise(mixed, init):
    _, _, X = mixed
    one, million = (
        MCRALS(3, init=init, random_state=1).fit(unit * X) for unit in (1, 1e6)
    )
    assert one.lack_of_fit_pca_ < 3
    assert match_components(one.components_, million.components_)[2].max() < 1e-3


def test_negative_spectra_where_they_are_asked_for(mixed):
    maps, spectra, _ = mixed
    X = maps @ (spectra - 0.4)
    model = MCRALS(3, nonnegative_spectra=False, random_state=0).fit(X)
    assert model.components_.min() < -0.05 and model.lack_of_fit_ < 1e-3


# Steps against plain solvers


def test_steps_are_exact_with_known_parts(rng):
    from scipy.optimize import minimize

    S, X = rng.random((3, 12)), rng.random((4, 12))
    fixed, known = np.array([True, False, False]), rng.random((4, 1)) * 0.3
    W = maps_step(X @ S.T, S @ S.T, "fully_constrained", fixed, known, np.ones(4))
    for row, x, w in zip(W, X, known, strict=True):
        best = minimize(
            lambda c, x=x, w=w: np.sum((x - np.append(w, c) @ S) ** 2),
            np.full(2, 0.3),
            bounds=[(0, None)] * 2,
            constraints={"type": "eq", "fun": lambda c, w=w: c.sum() + w[0] - 1},
            tol=1e-12,
        )
        assert np.sum((x - row @ S) ** 2) <= best.fun + 1e-8
    spectra = spectra_step(W.T @ X, W.T @ W, S, fixed)
    np.testing.assert_array_equal(spectra[0], S[0])
    assert np.sum((X - W @ spectra) ** 2) <= np.sum((X - W @ S) ** 2)


@pytest.mark.parametrize("k", [3, 10])
def test_many_components_take_the_active_set(rng, k):
    from scipy.optimize import nnls

    A, B = rng.random((30, k)), rng.random((30, 5))
    found = constrained_rows(B.T @ A, A.T @ A, "nonnegative")
    expected = [nnls(A, b)[0] for b in B.T]
    np.testing.assert_allclose(found, expected, atol=1e-9)


# Forms of data, stopping, bad input


def test_lazy_sparse_and_masked_data(rng, make):
    maps, spectra = make(n=300, m=60)
    cube = rng.poisson(200 * maps @ spectra).reshape(15, 20, 60).astype(float)
    eager = MCRALS(3, random_state=0)
    W = eager.fit_transform(cube.reshape(300, 60))
    blocks = as_blocks(da.from_array(cube, chunks=(4, 7, 60)))
    lazy = MCRALS(3, random_state=0)
    np.testing.assert_allclose(lazy.fit_transform(blocks), W, atol=1e-5 * W.max())
    assert lazy.passes_ == blocks.passes == 4 + lazy.n_exact_
    sparse = MCRALS(3, random_state=0)
    W_sparse = sparse.fit_transform(scipy.sparse.csr_array(cube.reshape(300, 60)))
    np.testing.assert_allclose(W_sparse, W, atol=1e-5 * W.max())

    channels = np.zeros(60, bool)
    channels[[0, 33]] = True
    pixels = np.zeros((15, 20), bool)
    pixels[3, 4:9] = True
    masked = as_blocks(cube, 1, pixels, channels).poisson_scaled()
    known, flat = 200 * spectra[:1], maps[:, :1]
    model = MCRALS(3, known_spectra=known, random_state=0).fit(masked)
    found = model.components_[model.known_spectra_] * masked.column_scale
    np.testing.assert_allclose(found, known[:, ~channels])
    model = MCRALS(3, known_maps=flat, constraint="fully_constrained", random_state=0)
    W = model.fit_transform(masked) * masked.row_scale[:, None]
    np.testing.assert_allclose(
        W[:, model.known_maps_], flat[~pixels.ravel()], atol=1e-12
    )
    np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-9)


def test_compression_ends_where_all_data_do(mixed):
    _, _, X = mixed
    short, full = (
        MCRALS(3, compression=c, random_state=0).fit(X) for c in ("auto", None)
    )
    assert short.lack_of_fit_ == pytest.approx(full.lack_of_fit_, rel=1e-3)
    assert match_components(short.components_, full.components_)[2].max() < 0.5
    assert full.passes_ == 4 + full.n_iter_


@pytest.mark.parametrize("last", [1, 4])
def test_callback_ends_the_fit_and_interrupts_lose_nothing(mixed, last):
    _, _, X = mixed
    model = MCRALS(3, callback=lambda p: p.iteration == last, random_state=0).fit(X)
    assert model.n_iter_ == last + 1 and model.n_exact_ == 1

    def stop(progress):
        if progress.iteration == last:
            raise KeyboardInterrupt

    with pytest.warns(RuntimeWarning, match="was interrupted"):
        broken = MCRALS(3, callback=stop, random_state=0).fit(X)
    np.testing.assert_array_equal(broken.components_, model.components_)


def test_rise_of_the_lack_of_fit_keeps_the_best_state_and_is_noticed():
    class Rising(AlternatingLeastSquares):
        values = iter([5.0, 4.0, 4.5])

        def evaluate(self, S):
            return MCRState(S, None, None, None, next(self.values))

    method = Rising(constraints=None, sum_of_squares=1.0, tol=0, noise=0, rounding=1e-9)
    outcome = iterate(method, MCRState(np.ones((1, 2))), 9)
    assert outcome.state.lack_of_fit == 4.0 and method.has_risen(outcome)


def test_old_name_of_normalize_warns(mixed):
    with pytest.warns(FutureWarning, match="MCRALS: normalisation is deprecated"):
        assert MCRALS(3, normalisation="max").normalize == "max"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 5}, "5 components .* span 3 dimensions"),
        ({"known_spectra": np.ones((1, 69))}, "have 69 channels, expected 70"),
        ({"known_spectra": np.ones((4, 70))}, "4 known spectra and 0 known maps"),
        ({"known_spectra": np.full((1, 70), np.nan)}, "Spectrum 0 is NaN .* channel 0"),
        ({"known_maps": np.ones((299, 1))}, r"shape \(299, 1\), expected .* 300 pixel"),
        ({"known_maps": np.full((300, 1), np.inf)}, r"Known map 0 .* pixel \(0\)"),
        ({"init": np.ones((2, 70))}, "init holds 2 spectra, expected 3"),
        ({"unimodal": [3]}, "numbers from 0 to 2"),
        (
            {"unimodality_tolerance": 0.1, "nonnegative_spectra": False},
            "no meaning for negative",
        ),
        (
            {"normalize": "max", "constraint": "sum_to_one"},
            "fixes the scale of the spectra",
        ),
    ],
)
def test_bad_parameters_are_refused(mixed, parameters, message):
    maps, spectra, _ = mixed
    with pytest.raises(ValueError, match=message):
        MCRALS(**({"n_components": 3} | parameters)).fit(maps @ spectra)


def test_bad_data_are_refused(mixed):
    _, _, X = mixed
    X = X.copy()
    X[17, 3] = np.nan
    with pytest.raises(ValueError, match=r"first at pixel \(17\), channel 3"):
        MCRALS(3).fit(X)
    with pytest.raises(ValueError, match="zero everywhere"):
        MCRALS(1).fit(np.zeros((5, 4)))


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_empty_and_constant_pixels_are_no_obstacle(mixed, value):
    _, _, X = mixed
    X = X.copy()
    X[:20] = value
    model = MCRALS(3, random_state=0).fit(X)
    assert np.isfinite(model.components_).all()


def test_components_that_vanish_are_told(rng):
    X = np.outer(rng.random(30), rng.random(8))
    start = np.vstack([X[0], np.zeros(8)])
    with pytest.warns(ConvergenceWarning, match="1 of 2 components vanished"):
        MCRALS(2, init=start).fit(X)


# The peer


@pytest.mark.parametrize("known", [False, True])
def test_same_steps_as_pymcr_and_better_ones_with_known_spectra(mixed, known):
    mcr = pytest.importorskip("pymcr.mcr")
    maps, spectra, X = mixed
    start = VCA(3, random_state=0).fit(X).components_
    if known:
        start = np.vstack([spectra[:1], start[1:]])
    theirs = mcr.McrAR(
        c_regr="NNLS",
        st_regr="NNLS",
        c_constraints=[],
        st_constraints=[],
        max_iter=8,
        tol_increase=0,
    )
    theirs.fit(X, ST=start, st_fix=[0] if known else None)
    ours = MCRALS(
        3,
        init=start[1:] if known else start,
        known_spectra=start[:1] if known else None,
        normalize=None,
        compression=None,
        max_iter=8,
        tol=0,
    )
    with pytest.warns(ConvergenceWarning):
        ours.fit(X)
    # Theirs has a misfit after each half of an iteration, ours after the maps.
    squares = np.mean(X**2)
    mean_squares = np.array(theirs.err[::2])
    lack_of_fit = 100 * np.sqrt(mean_squares / squares)
    if known:
        # They fit all spectra and put the known one back: no least squares.
        assert np.all(ours.objective_history_[1:] < lack_of_fit[1:])
    else:
        np.testing.assert_allclose(ours.objective_history_, lack_of_fit, rtol=1e-6)


@pytest.mark.parametrize(
    ("scene", "most"), [("samson", 4.26), ("sim1", 3.3), ("edx_particles_espm", 4.73)]
)
def test_published_scenes_as_near_as_the_peer_was_measured_to_get(
    data_dir, scene, most
):
    signal = datasets.load(scene)
    spectra = datasets.truth(signal).spectra
    X = signal.data.reshape(-1, signal.data.shape[-1]).astype(float)
    if scene == "sim1":
        sigma = np.sqrt(np.mean(X**2) / 1000)
        X = X + np.random.default_rng(0).normal(0, sigma, X.shape)
    model = MCRALS(len(spectra), random_state=0).fit(X)
    assert model.converged_
    assert match_components(spectra, model.components_)[2].mean() < most


# Where it starts


def peaks_without_pure_pixels(rng, purest, background):
    """Broad peaks that own some channels, in shares up to ``purest``."""
    channel = np.arange(120)
    spectra = np.exp(-0.5 * ((channel - np.array([[40], [60], [80]])) / 12) ** 2)
    spectra[:, :9] = 0.3 * np.repeat(np.eye(3), 3, axis=1)
    shares = rng.dirichlet(np.full(3, 0.5), 4000)
    spectra = spectra + background
    shares = shares[shares.max(axis=1) < purest][:600]
    return shares @ spectra + rng.normal(0, 0.003, (len(shares), 120)), spectra


@pytest.mark.parametrize(
    ("purest", "background", "corners"),
    [(0.7, 0.0, True), (1.0, 0.0, False), (0.7, 0.5, False)],
)
def test_corners_are_the_start_where_they_tell_more(rng, purest, background, corners):
    X, spectra = peaks_without_pure_pixels(rng, purest, background)
    low = signal_space(as_blocks(X), 13, 0)
    assert (corners_of_cone(low, 3, rng) is not None) == corners
    tried = start_candidates(low, 3, "auto", rng, cone=True)
    best = min(match_components(spectra, S)[2].max() for S in tried)
    assert 1 <= len(tried) <= (1 if corners else 4)
    # Mixed pixels on a background: nothing gives the truth, and the start is mixed.
    assert best > 3 if background else best < 1


def test_corners_bring_the_answer_nearer_than_mixed_pixels(rng):
    X, spectra = peaks_without_pure_pixels(rng, 0.7, 0.0)
    errors = [
        match_components(spectra, MCRALS(3, init=i, random_state=0).fit(X).components_)
        for i in ("auto", "vca")
    ]
    assert errors[0][2].max() < 0.3 * errors[1][2].max()


def test_vertices_are_averaged_over_pixels_like_them(rng):
    truth = np.eye(3, 40) + 0.1
    maps = rng.dirichlet([0.1, 0.1, 0.1], 400)
    X = maps @ truth + rng.normal(0, 0.05, (400, 40))
    low = signal_space(as_blocks(X), 13, 0)
    averaged = start_candidates(low, 3, "auto", rng, cone=False)
    (single,) = start_candidates(low, 3, "vca", rng, cone=False)
    noise = match_components(truth, single)[2].mean()
    assert match_components(truth, averaged[0])[2].mean() < 0.7 * noise

"""Linear combination fits: an oracle of SciPy, coverage, ranking, and bad input."""

import numpy as np
import pytest
from scipy.interpolate import UnivariateSpline
from scipy.optimize import lsq_linear, minimize

from sparsedecomp.xas import LinearCombination, rank_references
from sparsedecomp.xas.mixtures.fits import correlation_factor

ENERGY = np.concatenate([np.arange(7080, 7105, 2.5), np.arange(7105, 7180, 0.7)])


def edge(energy, e0, width, height):
    rise = np.arctan((energy - e0) / 1.5) / np.pi + 0.5
    return rise + height * np.exp(-(((energy - e0 - 6) / width) ** 2))


SHAPES = [(7112, 4, 0.2), (7118, 3, 0.5), (7123, 6, 0.3), (7116, 8, 0.1)]
GRIDS = [ENERGY, np.arange(7060, 7200, 0.5), np.linspace(7050, 7300, 400), ENERGY]
REFERENCES = [
    (grid, edge(grid, *shape)) for grid, shape in zip(GRIDS, SHAPES, strict=True)
]


def pure(shift=0.0, n=4):
    return np.array([edge(ENERGY - shift, *shape) for shape in SHAPES[:n]])


def on_energies(limits):
    """References as larch interpolates them, and the range that it fits."""
    low, high = (int(np.flatnonzero(ENERGY <= limit)[-1]) for limit in limits)
    columns = [UnivariateSpline(x, y, s=0, k=3)(ENERGY) for x, y in REFERENCES]
    return np.array(columns).T[low : high + 1], slice(low, high + 1)


@pytest.mark.parametrize("sum_to_one", [True, False])
@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("limits", [(7080.0, 7179.0), (7093.3, 7150.4)])
def test_fractions_agree_with_independent_solvers(sum_to_one, nonnegative, limits):
    rng = np.random.default_rng(0)
    y = rng.dirichlet(np.full(4, 0.5), 6) @ pure() * (1 if sum_to_one else 1.2)
    y += rng.normal(0, 0.02, y.shape)
    fit = LinearCombination(
        ENERGY,
        REFERENCES,
        limits=limits,
        sum_to_one=sum_to_one,
        nonnegative=nonnegative,
    )
    found = fit.fit(y)
    columns, inside = on_energies(limits)
    np.testing.assert_allclose(fit.columns, columns, atol=1e-10)
    for row, w, chi2 in zip(
        y[:, inside], found.fractions, found.reduced_chi2, strict=True
    ):
        if not sum_to_one:
            bounds = (0 if nonnegative else -np.inf, np.inf)
            oracle = lsq_linear(columns, row, bounds, method="bvls", tol=1e-14).x
        elif not nonnegative:
            # The last fraction is one minus the others.
            steps = columns[:, :-1] - columns[:, -1:]
            free = np.linalg.lstsq(steps, row - columns[:, -1], rcond=None)[0]
            oracle = np.append(free, 1 - free.sum())
        else:
            scale = np.sum(row**2)
            oracle = minimize(
                lambda v, row=row, scale=scale: (
                    np.sum((row - columns @ v) ** 2) / scale
                ),
                np.full(4, 0.25),
                jac=lambda v, row=row, scale=scale: (
                    -2 * columns.T @ (row - columns @ v) / scale
                ),
                method="SLSQP",
                bounds=[(0, 1)] * 4,
                constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
                options={"ftol": 1e-16, "maxiter": 500},
            ).x
        np.testing.assert_allclose(w, oracle, atol=1e-6)
        residual = row - columns @ w
        assert chi2 == pytest.approx(
            np.sum(residual**2) / (len(row) - 4 + sum_to_one), rel=1e-9
        )


def test_fractions_agree_with_larch():
    larch = pytest.importorskip("larch")
    from larch.math import lincombo_fit

    y = np.array([0.2, 0.5, 0.2, 0.1]) @ pure()
    y += np.random.default_rng(0).normal(0, 0.005, y.shape)
    groups = [
        larch.Group(energy=x, norm=v, label=f"{i}")
        for i, (x, v) in enumerate(REFERENCES)
    ]
    sample = larch.Group(energy=ENERGY, norm=y)
    theirs = lincombo_fit(sample, groups, xmin=7093.3, xmax=7150.4, minvals=[0.0] * 4)
    ours = LinearCombination(ENERGY, REFERENCES, limits=(7093.3, 7150.4)).fit(y)
    np.testing.assert_allclose(ours.fractions, list(theirs.weights.values()), atol=1e-6)
    assert ours.reduced_chi2 == pytest.approx(theirs.redchi, rel=1e-6)


@pytest.mark.parametrize("max_shift", [0.0, 2.0])
def test_intervals_cover_the_truth(max_shift):
    rng = np.random.default_rng(1)
    shifts = rng.uniform(-0.7, 0.7, 300) * max_shift
    w = rng.dirichlet(np.ones(3), 300) * 0.7 + 0.1
    y = np.array([v @ pure(shift, 3) for v, shift in zip(w, shifts, strict=True)])
    y += rng.normal(0, 0.01, y.shape)
    fine = [
        (grid, edge(grid, *shape))
        for grid, shape in zip(
            [np.arange(7050, 7210, 0.2)] * 3, SHAPES[:3], strict=True
        )
    ]
    found = LinearCombination(ENERGY, fine, max_shift=max_shift).fit(y)
    inside = np.abs(found.fractions - w) < 1.96 * found.errors
    assert 0.92 < inside.mean() < 0.98
    if max_shift:
        inside = np.abs(found.shift - shifts) < 1.96 * found.shift_error
        assert 0.91 < inside.mean() < 0.985
        model = LinearCombination(ENERGY, fine, max_shift=max_shift).model(w, shifts)
        exact = LinearCombination(ENERGY, fine, max_shift=max_shift).inside
        assert np.std(y[:, exact] - model) == pytest.approx(0.01, rel=0.02)


def test_correlated_residuals_enlarge_the_errors():
    white = np.random.default_rng(0).normal(size=(200, 300))
    assert np.mean(correlation_factor(white)) == pytest.approx(1, abs=0.03)
    smooth = (white[:, 1:] + white[:, :-1]) / 2
    assert np.mean(correlation_factor(smooth)) == pytest.approx(3, rel=0.1)


def test_missing_spectra_have_no_fractions():
    y = np.tile(pure()[0], (2, 3, 1))
    y[1, 2, 20] = np.nan
    found = LinearCombination(ENERGY, REFERENCES).fit(y)
    assert found.fractions.shape == (2, 3, 4)
    expected = np.zeros((2, 3), bool)
    expected[1, 2] = True
    np.testing.assert_array_equal(np.isnan(found.r_factor), expected)
    np.testing.assert_allclose(found.fractions[0, 0], [1, 0, 0, 0], atol=1e-6)


def test_float32_data_are_fitted_in_float64():
    y = (np.array([0.2, 0.8, 0, 0]) @ pure()).astype(np.float32)
    found = LinearCombination(ENERGY, REFERENCES).fit(y)
    np.testing.assert_allclose(found.fractions, [0.2, 0.8, 0, 0], atol=1e-4)


def test_the_right_set_of_references_is_the_most_probable():
    rng = np.random.default_rng(0)
    library = LinearCombination(ENERGY, REFERENCES, names=["a", "b", "c", "d"])
    right = 0
    for chosen in ([0], [1, 2], [0, 3], [0, 1, 2]):
        w = np.zeros((5, 4))
        w[:, chosen] = rng.dirichlet(np.full(len(chosen), 3.0), 5)
        y = w @ pure() + rng.normal(0, 0.01, (5, len(ENERGY)))
        ranked = rank_references(library, y, max_references=4)
        right += ranked[0].names == tuple("abcd"[i] for i in chosen)
        assert sum(one.probability for one in ranked) == pytest.approx(1)
        scores = [one.log_evidence for one in ranked]
        assert scores == sorted(scores, reverse=True)
        assert ranked[0].fractions.sum() == pytest.approx(1)
    assert right == 4


BAD = {
    "none": ([], {}, "There are no references"),
    "range": (
        [(ENERGY[5:], ENERGY[5:])],
        {"limits": (7080, 7150)},
        r"reference 1 covers 7092.5 to 7179.9 eV, but the fit needs 7080 to",
    ),
    "shift": (
        [(ENERGY, ENERGY)],
        {"limits": (7081, 7150), "max_shift": 3.0},
        "the fit needs 7077 to 7152.8",
    ),
    "few": (REFERENCES, {"limits": (7112, 7113)}, "too few for 3 unknowns of 4 ref"),
    "same": (
        [*REFERENCES[:2], REFERENCES[0]],
        {"names": ["a", "b", "c"]},
        "are linearly dependent; a and c are the most similar",
    ),
    "sum": (
        [*REFERENCES[:2], (ENERGY, 0.5 * pure()[0] + 0.5 * pure()[1])],
        {},
        "are linearly dependent",
    ),
    "zero": ([REFERENCES[0], (ENERGY, 0 * ENERGY)], {}, "reference 2 is zero at all"),
    "NaN": ([(ENERGY, ENERGY * np.nan)], {}, "reference 1 holds NaN"),
    "image": ([(ENERGY, np.ones((3, len(ENERGY))))], {}, "a reference is one spectrum"),
    "names": (REFERENCES, {"names": ["a"]}, "1 names were given for 4 references"),
    "negative": (REFERENCES, {"max_shift": -1.0}, "give eV, zero or positive"),
    "falls": ([(ENERGY[::-1], ENERGY)], {}, "does not increase"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_references_are_refused(name):
    references, options, reason = BAD[name]
    if name == "sum":
        references = [(ENERGY, values) for values in (*pure()[:2], references[2][1])]
    with pytest.raises(ValueError, match=reason):
        LinearCombination(ENERGY, references, **options)


def test_bad_spectra_and_libraries_are_refused():
    fit = LinearCombination(ENERGY, REFERENCES)
    with pytest.raises(ValueError, match="mu has shape"):
        fit.fit(np.ones(3))
    with pytest.raises(ValueError, match="All spectra hold NaN"):
        rank_references(fit, np.full(len(ENERGY), np.nan))
    with pytest.raises(ValueError, match="max_references=0: give one or more"):
        rank_references(fit, pure()[0], 0)


def test_libraries_too_large_to_compare_are_refused(monkeypatch):
    monkeypatch.setattr("sparsedecomp.xas.mixtures.ranking.MAX_SETS", 9)
    with pytest.raises(
        ValueError, match="There are 10 sets of up to 2 of 4 references"
    ):
        rank_references(LinearCombination(ENERGY, REFERENCES), pure()[0], 2)

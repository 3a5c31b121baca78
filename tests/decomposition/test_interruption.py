"""Ctrl-C at any moment of a fit keeps the best result so far."""

import warnings

import numpy as np
import pytest

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition import (
    CPD,
    MCRALS,
    NMFSO,
    NMFSOARD,
    PARAFAC2,
    SSSVCA,
    VCA,
    AutomaticUnmixing,
    MinimumVolume,
    PoissonNMF,
    PoissonNMFARD,
    SimplexML,
    Tucker,
    fit_coupled,
)
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    best_of,
    complete,
    iterate,
    uninterrupted,
)
from sparsedecomp.decomposition.poisson.counts import Counts

FITS = {
    "nmf_so": lambda: NMFSO(3, n_init=2, max_iter=30),
    "nmf_so exact": lambda: NMFSO(3, n_init=1, max_iter=10, compression=None),
    "nmf_so clipped": lambda: NMFSO(3, n_init=1, max_iter=10, clipping=True),
    "nmf_so published": lambda: NMFSO(3, updates="published", n_init=2, max_iter=10),
    "nmf_so_ard": lambda: NMFSOARD(3, n_init=1, max_iter=20),
    "nmf_kl": lambda: PoissonNMF(3, max_iter=20),
    "nmf_kl on disk": lambda: PoissonNMF(3, max_iter=20, memory=0),
    "nmf_kl beta": lambda: PoissonNMF(3, beta=1.5, max_iter=10),
    "nmf_kl_ard": lambda: PoissonNMFARD(max_iter=20),
    "simplex_ml": lambda: SimplexML(3),
    "automatic": lambda: AutomaticUnmixing(3),
    "vca": lambda: VCA(3),
    "min_volume": lambda: MinimumVolume(3),
    "sss_vca": lambda: SSSVCA(3),
    "mcr_als": lambda: MCRALS(3, max_iter=10),
    "mcr_als exact": lambda: MCRALS(3, max_iter=10, compression=None),
    "cpd": lambda: CPD(3, n_init=2, likelihood=False),
    "cpd likelihood": lambda: CPD(3, n_init=2, max_iter=20, likelihood=True),
    "cpd gaps": lambda: CPD(3, n_init=2, max_iter=20, gaps=True, likelihood=False),
    "tucker": lambda: Tucker(3, ranks=(3, 3)),
    "tucker nonnegative": lambda: Tucker(3, ranks=(3, 3), nonnegative=True),
    "parafac2": lambda: PARAFAC2(3, n_init=2, max_iter=30),
}
# These are fitted to the same counts as a tensor of three modes.
TENSORS = {name for name in FITS if name.startswith(("cpd", "tucker", "parafac2"))}


class Passes:
    """Counts passes and iterations and raises KeyboardInterrupt in chosen ones."""

    def __init__(self, monkeypatch):
        self.count = 0
        self.iterations = 0
        self.interrupted = []
        self.interrupted_iteration = None
        for owner in (BlockMatrix, Counts):
            monkeypatch.setattr(owner, "run", self._counted(owner.run))

    def _counted(self, run):
        def counted(*args, **kwargs):
            number = self.count
            self.count += 1
            if number in self.interrupted:
                raise KeyboardInterrupt
            return run(*args, **kwargs)

        return counted

    def iteration(self, progress):
        self.iterations += 1
        if self.iterations == self.interrupted_iteration:
            raise KeyboardInterrupt


def fit(monkeypatch, name, X, interrupted=(), interrupted_iteration=None):
    """Fit with Ctrl-C in some of the passes; None if the interrupt was passed on."""
    with monkeypatch.context() as patches, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FITS[name]().set_params(random_state=0)
        if name in TENSORS:
            X = X.reshape(10, 20, -1)
        if name == "cpd gaps":
            X = np.where(np.random.default_rng(0).random(X.shape) < 0.05, np.nan, X)
        passes = Passes(patches)
        passes.interrupted = interrupted
        passes.interrupted_iteration = interrupted_iteration
        model.callback = passes.iteration
        try:
            W = model.fit_transform(X)
        except KeyboardInterrupt:
            W = None
    return passes, model, W


@pytest.fixture(scope="module")
def counts(make):
    return np.random.default_rng(1).poisson(make(n=200, m=40, scale=30).mean)


# PARAFAC2 reads the data before its iterations only.
@pytest.mark.parametrize("name", [name for name in FITS if name != "parafac2"])
def test_interrupt_in_any_pass_keeps_the_result(monkeypatch, counts, name):
    whole, model, _ = fit(monkeypatch, name, counts)
    worst = 4 * model.relative_residual_
    n_kept = 0
    # Every pass of short fits, and all passes of the end of long ones.
    numbers = {*range(0, whole.count, 1 + whole.count // 40)}
    numbers |= {*range(max(0, whole.count - 8), whole.count)}
    for number in sorted(numbers):
        passes, model, W = fit(monkeypatch, name, counts, [number])
        if W is None:
            assert not passes.iterations, f"pass {number}: the result was lost"
            continue
        n_kept += 1
        assert model.interrupted_, f"pass {number}: interrupted_ is not set"
        assert W.shape == (len(counts), model.n_components_)
        assert np.isfinite(W).all() and np.isfinite(model.components_).all()
        assert model.relative_residual_ < worst, f"pass {number}"
    assert n_kept >= 1


@pytest.mark.parametrize("name", ["mcr_als", "simplex_ml", *sorted(TENSORS)])
def test_interrupt_in_any_iteration_keeps_the_result(monkeypatch, counts, name):
    whole, model, _ = fit(monkeypatch, name, counts)
    worst = 4 * model.relative_residual_
    for number in {1, 2, whole.iterations // 2, whole.iterations}:
        passes, model, W = fit(monkeypatch, name, counts, interrupted_iteration=number)
        assert passes.iterations == number and model.interrupted_
        assert np.isfinite(W).all() and model.relative_residual_ < worst


def coupled_fit(monkeypatch, X, interrupted=(), interrupted_iteration=None):
    """Fit two tensors together; None if the interrupt was passed on."""
    with monkeypatch.context() as patches, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        passes = Passes(patches)
        passes.interrupted = interrupted
        passes.interrupted_iteration = interrupted_iteration
        tensors = [as_blocks(part) for part in (X[:, :20], X[:, 20:])]
        labels = [("maps", "first"), ("maps", "second")]
        try:
            found = fit_coupled(
                tensors, labels, 3, random_state=0, n_init=2, callback=passes.iteration
            )
        except KeyboardInterrupt:
            found = None
    return passes, found


def test_interrupted_coupled_fit_keeps_the_result(monkeypatch, counts):
    whole, full = coupled_fit(monkeypatch, counts)
    assert full.likelihood and not full.interrupted
    # Two tensors: their noise is found and they are compressed before the first fit.
    n_compressions = 6
    for number in range(whole.count):
        passes, found = coupled_fit(monkeypatch, counts, [number])
        if number < n_compressions:
            assert found is None and not passes.iterations
            continue
        assert found.interrupted and not found.likelihood
        np.testing.assert_allclose(found.factors["maps"].sum(axis=0), 1)
    for number in {1, whole.iterations // 2, whole.iterations}:
        passes, found = coupled_fit(monkeypatch, counts, interrupted_iteration=number)
        assert passes.iterations == number and found.interrupted
        assert all(np.isfinite(factor).all() for factor in found.factors.values())


def test_a_fit_that_is_part_of_another_passes_the_interrupt_on(counts):
    def stop(progress):
        raise KeyboardInterrupt

    whole = VCA(3, random_state=0).fit(counts)
    assert uninterrupted(whole) is whole
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part = VCA(3, random_state=0, callback=stop).fit(counts)
    with pytest.raises(KeyboardInterrupt):
        uninterrupted(part)


@pytest.mark.parametrize("name", ["nmf_so", "nmf_kl", "vca", "cpd"])
def test_second_interrupt_in_the_last_pass_aborts(monkeypatch, counts, name):
    whole, _, _ = fit(monkeypatch, name, counts)
    last = whole.count - 1
    passes, _, W = fit(monkeypatch, name, counts, [last, last + 1])
    assert W is None and passes.count == last + 2


class Descent(IterativeMethod):
    """Halves a number; the third step raises KeyboardInterrupt if asked to."""

    def __init__(self, interrupt_at=None, tol=0.0):
        self.steps, self.interrupt_at, self.tol = 0, interrupt_at, tol

    def step(self, state):
        self.steps += 1
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt
        return state / 2, state / 2

    def n_components(self, state):
        return 1


def test_loop_keeps_the_state_before_the_interrupt():
    outcome = iterate(Descent(interrupt_at=3), 8.0, 10)
    assert outcome.state == 2.0 and outcome.history == [4.0, 2.0]
    assert outcome.interrupted and outcome.stopped and not outcome.converged


def test_interrupt_before_the_first_step_is_passed_on_where_nothing_exists():
    with pytest.raises(KeyboardInterrupt):
        iterate(Descent(interrupt_at=1), 8.0, 10, keep_start=False)
    assert iterate(Descent(interrupt_at=1), 8.0, 10).state == 8.0


def test_interrupted_start_keeps_the_better_earlier_one():
    def outcomes():
        yield iterate(Descent(), 8.0, 3)
        raise KeyboardInterrupt

    best = best_of(outcomes())
    assert best.state == 1.0 and best.interrupted


def test_phases_after_an_interrupt_are_skipped():
    phases = Phases()
    phases.run("first", lambda _: iterate(Descent(), 8.0, 2))
    phases.run("second", lambda o: iterate(Descent(interrupt_at=1), 1e9, 2))
    assert phases.outcome.state == 2.0 and phases.outcome.interrupted
    phases.run("third", lambda o: iterate(Descent(), 0.0, 2))
    assert phases.outcome.state == 2.0


def test_completion_is_repeated_after_one_interrupt():
    outcome, calls = Outcome(0.0), []

    def work():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return "finished"

    assert complete(outcome, work) == "finished"
    assert outcome.interrupted and len(calls) == 2

"""Ctrl-C at any moment of a fit keeps the best result so far."""

import warnings

import numpy as np
import pytest

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition import (
    NMFSO,
    NMFSOARD,
    SSSVCA,
    VCA,
    MinimumVolume,
    PoissonNMF,
    PoissonNMFARD,
)
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    best_of,
    complete,
    iterate,
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
    "vca": lambda: VCA(3),
    "min_volume": lambda: MinimumVolume(3),
    "sss_vca": lambda: SSSVCA(3),
}


class Passes:
    """Counts passes over blocks and raises KeyboardInterrupt in chosen ones."""

    def __init__(self, monkeypatch, model):
        self.count = 0
        self.iterations = 0
        self.interrupted = []
        for owner in (BlockMatrix, Counts):
            monkeypatch.setattr(owner, "run", self._counted(owner.run))
        model.callback = self._iteration

    def _counted(self, run):
        def counted(*args, **kwargs):
            number = self.count
            self.count += 1
            if number in self.interrupted:
                raise KeyboardInterrupt
            return run(*args, **kwargs)

        return counted

    def _iteration(self, progress):
        self.iterations += 1


def fit(monkeypatch, name, X, interrupted=()):
    """Fit with Ctrl-C in some of the passes; None if the interrupt was passed on."""
    with monkeypatch.context() as patches, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = FITS[name]().set_params(random_state=0)
        passes = Passes(patches, model)
        passes.interrupted = interrupted
        try:
            W = model.fit_transform(X)
        except KeyboardInterrupt:
            W = None
    return passes, model, W


@pytest.fixture(scope="module")
def counts(make):
    return np.random.default_rng(1).poisson(make(n=200, m=40, scale=30).mean)


@pytest.mark.parametrize("name", FITS)
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


@pytest.mark.parametrize("name", ["nmf_so", "nmf_kl", "vca"])
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

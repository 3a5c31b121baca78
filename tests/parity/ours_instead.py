"""pytest plugin: HyperSpy's tests, with our algorithms in the place of its own.

``pytest -p ours_instead --pyargs hyperspy.tests.learn.test_decomposition`` runs the
installed tests unchanged, except that

- ``decomposition`` with "SVD" (also by default), "PCA", "NMF", "ORPCA" or "ORNMF"
  runs the algorithm named by ``PARITY_ALGORITHM``, or ``nmf_so_ard`` where the SVD
  finds the number of components by itself. The solver and the iterations of the
  replaced algorithm go with it. What our models have no counterpart of stays
  HyperSpy's: centred and complex data, given variances, and the lazy results of
  ``svd_solver="full"``;
- random numbers that the tests draw with ``np.random`` are absolute values, because
  our models are non-negative. Products of such factors keep their rank.

Only tests in which an algorithm of ours ran count. Their outcomes are written as JSON
to ``PARITY_REPORT``: "passed", or the first line of the error.
"""

import functools
import inspect
import json
import os
import types

import numpy
import pytest

REPLACED = ("SVD", "PCA", "NMF", "ORPCA", "ORNMF")
KEPT = {
    "normalize_poissonian_noise",
    "output_dimension",
    "navigation_mask",
    "signal_mask",
    "reproject",
    "return_info",
    "print_info",
    "copy",
    "num_chunks",
}
SIGNED = ("normal", "standard_normal", "standard_t", "laplace", "randn")
# They take absolute values themselves, and tests know the numbers.
NONNEGATIVE_HELPERS = ("generate_low_rank_matrix",)


class NonNegative:
    """Something of ``numpy.random``, whose draws are absolute values."""

    def __init__(self, wrapped):
        self._wrapped = wrapped

    def __getattr__(self, name):
        value = getattr(self._wrapped, name)
        if name in SIGNED:
            return lambda *args, **kwargs: abs(value(*args, **kwargs))
        if name in ("default_rng", "RandomState"):
            return lambda *args: NonNegative(value(*args))
        return value


class NonNegativeNumPy:
    """NumPy as a test module sees it."""

    random = NonNegative(numpy.random)

    def __getattr__(self, name):
        return getattr(numpy, name)


class Plugin:
    """Replaces algorithms while tests run and remembers which tests that concerned."""

    def __init__(self):
        self.algorithm = os.environ["PARITY_ALGORITHM"]
        self.outcomes = {}
        self.concerned = False

    def replaced(self, original):
        """Wrap a ``decomposition`` method so that it runs one of our algorithms."""
        signature = inspect.signature(original)

        @functools.wraps(original)
        def decomposition(signal, *args, **kwargs):
            given = signature.bind(signal, *args, **kwargs).arguments
            algorithm = given.get("algorithm", "SVD")
            if (
                not isinstance(algorithm, str)
                or algorithm not in REPLACED
                or given.get("centre") is not None
                or given.get("svd_solver") not in (None, "randomized", "incremental")
                or signal.data.dtype.kind == "c"
                or {"var_array", "var_func"} & {*given, *given.get("kwargs", ())}
            ):
                return original(signal, *args, **kwargs)
            self.concerned = True
            chosen = {name: value for name, value in given.items() if name in KEPT}
            finds_number = algorithm == "SVD" and chosen.get("output_dimension") is None
            return original(
                signal,
                algorithm="nmf_so_ard" if finds_number else self.algorithm,
                show_progressbar=False,
                random_state=0,
                n_init=1,
                **chosen,
            )

        return decomposition

    def pytest_configure(self):
        import hyperspy.api as hs
        from hyperspy.learn._mva import MVA

        for cls in (MVA, hs.signals.LazySignal):
            cls.decomposition = self.replaced(cls.decomposition)

    def pytest_collection_modifyitems(self, items):
        for module in {item.module for item in items}:
            for name in NONNEGATIVE_HELPERS:
                if helper := getattr(module, name, None):
                    plain = dict(vars(module))
                    setattr(
                        module,
                        name,
                        types.FunctionType(
                            helper.__code__, plain, name, helper.__defaults__
                        ),
                    )
            module.np = NonNegativeNumPy()

    def pytest_runtest_setup(self):
        self.concerned = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = (yield).get_result()
        name = f"{item.module.__name__.rpartition('.')[2]}{item.nodeid}"
        if report.failed and self.concerned:
            self.outcomes[name] = call.excinfo.exconly().splitlines()[0]
        elif report.when == "call" and self.concerned:
            self.outcomes.setdefault(name, report.outcome)

    def pytest_unconfigure(self):
        with open(os.environ["PARITY_REPORT"], "w", encoding="utf-8") as file:
            json.dump(self.outcomes, file, indent=1)


def pytest_configure(config):
    plugin = Plugin()
    config.pluginmanager.register(plugin)

"""Kernels are tested compiled and as the Python that they are written in."""

import numpy as np
import pytest


def pytest_generate_tests(metafunc):
    """Give a test of ``run`` both forms; with NUMBA_DISABLE_JIT there is one."""
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", ["compiled", "python"], indirect=True)


@pytest.fixture
def run(request):
    """Call a kernel in one of its forms: ``run(kernel, *arguments)``."""

    def call(kernel, *arguments):
        if request.param == "python":
            # With NUMBA_DISABLE_JIT=1 the kernel is the Python function itself.
            kernel = getattr(kernel, "py_func", kernel)
        return kernel(*arguments)

    return call


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    """Return the type of the data; accumulators are float64 always."""
    return request.param


@pytest.fixture
def close(dtype):
    """Return a comparison to the precision of the data."""

    def compare(found, expected):
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        largest = np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(
            found, expected, rtol=tolerance, atol=tolerance * largest
        )

    return compare

"""pytest plugin: the installed tests of another package, without what they download.

``pytest -p no_downloads --pyargs exspy.tests`` runs the tests unchanged, except that
one is skipped as soon as it asks for something from the network, and counts as skipped
where it fails for want of a file of test data that the package does not carry.
Outcomes are written as JSON to ``PARITY_REPORT``: test -> "passed", "skipped", or the
last line of the error.
"""

import json
import os

import pytest

OUTCOMES = {}


def _refuse(*args, **kwargs):
    pytest.skip("asks for something from the network", allow_module_level=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    import requests

    requests.Session.request = _refuse
    try:
        from rsciio.tests import registry_utils
    except ImportError:
        return
    registry_utils.download_all = lambda *args, **kwargs: None


def _lacks_data(error):
    """Whether a file of ``tests/data`` is what an error is about."""
    while error is not None:
        text = str(error).replace(os.sep, "/")
        if "tests/data" in text or isinstance(error, FileNotFoundError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _record(name, outcome):
    # A failure stays one, whatever comes after it.
    if OUTCOMES.get(name) in (None, "passed", "skipped"):
        OUTCOMES[name] = outcome


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    name = f"{item.module.__name__}::{item.nodeid.partition('::')[2]}"
    if report.failed:
        lacks = _lacks_data(call.excinfo.value)
        lines = call.excinfo.exconly().splitlines()
        _record(name, "skipped" if lacks else lines[-1])
    elif report.skipped:
        _record(name, "skipped")
    elif report.when == "call":
        _record(name, "passed")


def pytest_collectreport(report):
    if report.failed:
        _record(report.nodeid, str(report.longrepr).splitlines()[-1])


def pytest_unconfigure(config):
    with open(os.environ["PARITY_REPORT"], "w", encoding="utf-8") as file:
        json.dump(OUTCOMES, file, indent=1)

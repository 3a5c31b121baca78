"""exspy's and RosettaSciIO's own tests, with this package installed.

They run in a process of their own, without what they would download. What fails must
fail without this package as well, but for one test of RosettaSciIO: it looks for the
module of every format that is registered inside RosettaSciIO, where ours are not.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rsciio_sparse import IO_PLUGINS as READERS

HERE = Path(__file__).parent
# Tests of a package: what must be installed for them, and how many run at least.
PACKAGES = {
    "exspy": (["exspy.tests", "requests"], 450),
    "rsciio": (["rsciio.tests", "requests", "filelock", "xdist"], 700),
}


def outcomes(folder, *options, switched_off=""):
    """Run installed tests: test -> "passed", "skipped" or the error."""
    report = folder / f"report{switched_off}.json"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no"]
        + ["-p", "no_downloads", "--continue-on-collection-errors", *options],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
            "PARITY_REPORT": str(report),
            "SPARSEDECOMP_NO_HOOKS": switched_off,
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert report.exists(), run.stdout[-3000:] + run.stderr[-3000:]
    return json.loads(report.read_text())


def failures(found):
    """Tests that failed, but for those that look for our readers inside rsciio."""
    ours = {f"No module named 'rsciio.{reader['name'].lower()}'" for reader in READERS}
    return {
        name: error
        for name, error in found.items()
        if error not in ("passed", "skipped") and error.partition(": ")[2] not in ours
    }


@pytest.mark.study
@pytest.mark.parametrize("package", PACKAGES)
def test_tests_of_other_packages_pass_with_us(tmp_path, package):
    needed, at_least = PACKAGES[package]
    for name in needed:
        pytest.importorskip(name)
    found = outcomes(tmp_path, "--pyargs", f"{package}.tests")
    failed = failures(found)
    if failed:
        modules = sorted({name.partition("::")[0] for name in failed})
        without = outcomes(tmp_path, "--pyargs", *modules, switched_off="1")
        failed = {n: e for n, e in failed.items() if n not in failures(without)}
    assert not failed
    assert sum(outcome == "passed" for outcome in found.values()) >= at_least

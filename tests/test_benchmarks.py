"""The benchmarks: every case runs, on toys, and the report says what was measured."""

import importlib
import json
import subprocess
import sys

import pytest

from benchmarks import BENCHMARKS, measure, nmf, report
from benchmarks.__main__ import main

PEERS = {
    "same residual": [
        "scikit-learn NMF, cd",
        "published rules",
        "HyperSpy ORNMF",
        "HyperSpy lazy NMF",
        "NMFSO, ",
        "NMFSO exact",
    ],
    "truth": [
        "scikit-learn NMF, cd",
        "HyperSpy ORNMF",
        "HyperSpy lazy NMF",
        "published NMF-SO",
        "published NMF-ARD-SO",
        "NMFSO",
        "NMFSOARD",
        "NMFSOARD exact",
    ],
    "out of core": ["nmf_so_ard", "HyperSpy lazy NMF"],
    "generated": ["NMFSOARD"],
}


def in_this_process(target, *, limit=None, **arguments):
    """Stands for `run_case`: starting a process for each toy would take a minute."""
    module, _, name = target.partition(":")
    arguments = json.loads(json.dumps(arguments))
    row = getattr(importlib.import_module(module), name)(**arguments)
    return json.loads(json.dumps(row))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What ``python -m benchmarks nmf --quick`` writes and prints for each size."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nmf, "run_case", in_this_process)
        # The command sets the threads of the processes that it starts.
        patch.setattr("os.environ", dict(__import__("os").environ))
        for size in ("small", "large", "huge"):
            path = tmp_path_factory.mktemp(size) / "folder" / "nmf.json"
            code = main(["nmf", "--quick", "--size", size, "--json", str(path)])
            found[size] = code, json.loads(path.read_text())
    return found

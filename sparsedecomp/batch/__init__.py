"""Decomposition of many files, or of one large file, into result files."""

from sparsedecomp.batch.jobs import (
    FileOutcome,
    Settings,
    decompose_files,
)
from sparsedecomp.batch.outputs import plan_outputs
from sparsedecomp.batch.results import fingerprint, read_record, write_results

__all__ = [
    "FileOutcome",
    "Settings",
    "decompose_files",
    "fingerprint",
    "plan_outputs",
    "read_record",
    "write_results",
]

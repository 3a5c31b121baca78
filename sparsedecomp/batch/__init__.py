"""Decomposition and conversion of many files, or of one large file."""

from sparsedecomp.batch.convert import Conversion, convert_files
from sparsedecomp.batch.jobs import (
    FileOutcome,
    Settings,
    decompose_files,
)
from sparsedecomp.batch.outputs import plan_outputs
from sparsedecomp.batch.results import fingerprint, read_record, write_results

__all__ = [
    "Conversion",
    "FileOutcome",
    "Settings",
    "convert_files",
    "decompose_files",
    "fingerprint",
    "plan_outputs",
    "read_record",
    "write_results",
]

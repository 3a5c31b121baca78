"""The batch door: many files, or one large one, decomposed into result files."""

from sparsedecomp.batch.jobs import Outcome, Settings, decompose_files, plan_outputs
from sparsedecomp.batch.results import fingerprint, read_record, write_results

__all__ = [
    "Outcome",
    "Settings",
    "decompose_files",
    "fingerprint",
    "plan_outputs",
    "read_record",
    "write_results",
]

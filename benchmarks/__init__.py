"""Speed, memory and accuracy against named peers: ``python -m benchmarks --help``.

Each benchmark is one module of this package. Its docstring says what it measures, and
it has

- ``add_arguments(parser)``: its options on the command line,
- ``run(arguments)``: a list of rows, which are dictionaries with a "table" and a
  "method",
- ``check(rows)``: a list of `benchmarks.report.Check`, the targets that these rows meet
  or miss.

To add one, write the module and put its name into `BENCHMARKS`. Modules that do the
work are imported by the processes that `benchmarks.measure` starts; a benchmark itself
imports nothing that takes memory.
"""

BENCHMARKS = (
    "nmf",
    "unmixing",
    "trust",
    "bands",
    "tensor",
    "exafs",
    "superresolution",
    "fusion",
    "restoration",
    "counts",
    "distributed",
)

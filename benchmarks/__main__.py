"""The command: run one benchmark, print its tables and targets, write them as JSON."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.report import environment, print_checks, print_tables, write_json


def main(argv=None):
    """Run the command and return its exit code.

    Returns
    -------
    int
        0 if every target was met and every case ended, else 1.
    """
    arguments = parse(argv)
    began = time.perf_counter()
    rows = arguments.module.run(arguments)
    checks = arguments.module.check(rows)
    options = {k: v for k, v in vars(arguments).items() if k != "module"}
    report = {
        "benchmark": arguments.benchmark,
        "options": options,
        "environment": environment(arguments.threads),
        "seconds": time.perf_counter() - began,
        "rows": rows,
        "checks": [check.as_dict() for check in checks],
    }
    print_tables(report)
    print_checks(checks)
    path = write_json(report, arguments.json)
    print(f"\nWritten to {path}")
    broken = [row for row in rows if "error" in row]
    return int(bool(broken) or not all(check.passed for check in checks))


def parse(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name in BENCHMARKS:
        module = importlib.import_module(f"benchmarks.{name}")
        summary = module.__doc__.splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(module=module)
        command.add_argument(
            "--threads", type=int, default=1, help="for every library (default: 1)"
        )
        command.add_argument(
            "--json",
            type=Path,
            metavar="PATH",
            help="where the results go (default: benchmarks/results/)",
        )
        module.add_arguments(command)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())

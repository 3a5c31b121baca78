"""Prepare a release: ``python packaging/release.py 0.1.0 [--date 2027-01-31]``.

Sets the version in the package, in CITATION.cff and in the recipe, gives the section
"Unreleased" of CHANGELOG.md the version, with the fragments of `upcoming_changes`, and
lists the commands that follow. Nothing is committed, tagged or sent.
"""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "<!-- towncrier release notes start -->"
PLACES = {
    "sparsedecomp/__init__.py": (r'__version__ = ".*"', '__version__ = "{version}"'),
    "CITATION.cff": (r"(?m)^version: .*$", "version: {version}"),
    "packaging/conda/recipe.yaml": (r'(?m)^  version: ".*"$', '  version: "{version}"'),
}
NEXT = """The version is set. What follows:

  git commit -am "Version {version}"
  bash .ci/run
  python -m build && python -m twine check dist/*
  git tag -a v{version} -m "Version {version}"
"""


def with_version(text: str, place: str, version: str) -> str:
    """Text of a file with another version; an error if it names none or several."""
    pattern, new = PLACES[place]
    text, n = re.subn(pattern, new.format(version=version), text)
    if n != 1:
        raise ValueError(f"{place} names {n} versions, expected one.")
    return text


def fragments() -> list[Path]:
    """Files of `upcoming_changes` that wait for a release."""
    return [
        path
        for path in sorted((ROOT / "upcoming_changes").glob("*.md"))
        if path.name != "README.md"
    ]


def with_release(changes: str, version: str, date: str, fragments: bool) -> str:
    """Changelog whose unreleased section becomes that of a version.

    Where there are fragments, towncrier writes the heading of the version and the
    fragments in the place of a mark.
    """
    heading = "## [Unreleased]"
    if changes.count(heading) != 1:
        raise ValueError(f"CHANGELOG.md needs one section {heading!r}.")
    changes = changes.replace(f"{MARK}\n\n", "")
    below = MARK if fragments else f"## [{version}] - {date}"
    return changes.replace(heading, f"{heading}\n\n{below}")


def main(argv: list[str] | None = None) -> int:
    """Set the version everywhere and say what follows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    given = parser.parse_args(argv)
    if not re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", given.version):
        parser.error(f"{given.version!r} is no version such as 0.1.0 or 0.2.0.dev0")
    for place in PLACES:
        path = ROOT / place
        text = with_version(path.read_text(encoding="utf-8"), place, given.version)
        path.write_text(text, encoding="utf-8")
    if "dev" not in given.version:
        changes = ROOT / "CHANGELOG.md"
        text = changes.read_text(encoding="utf-8")
        text = with_release(text, given.version, given.date, bool(fragments()))
        changes.write_text(text, encoding="utf-8")
        if fragments():
            command = [sys.executable, "-m", "towncrier", "build", "--yes"]
            command += ["--version", given.version, "--date", given.date]
            subprocess.run(command, cwd=ROOT, check=True)
            # Fragments and what was written into the changelog itself are one list.
            text = changes.read_text(encoding="utf-8")
            text = re.sub(r"\n{3,}### Added\n\n", "\n", text, count=1)
            changes.write_text(text, encoding="utf-8")
    sys.stdout.write(NEXT.format(version=given.version))
    return 0


if __name__ == "__main__":
    sys.exit(main())

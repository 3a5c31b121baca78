"""The formats of this package, as RosettaSciIO describes its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

IO_PLUGINS: list[dict[str, Any]] = []

for _file in sorted(Path(__file__).parent.glob("*/specifications.yaml")):
    _specification = yaml.load(
        _file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    _specification["api"] = f"rsciio_sparse.{_file.parent.name}"
    IO_PLUGINS.append(_specification)

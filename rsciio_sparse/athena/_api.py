"""Reader of Athena projects: records of energies, mu(E) and parameters.

Two forms exist, both usually compressed with gzip: Perl literals (Athena, Demeter and
larch) and JSON (Demeter).
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rsciio_sparse._spectra import (
    Families,
    chi_spectrum,
    metadata_of,
    number_of,
    spectrum,
)
from rsciio_sparse._text import MalformedFile, content_of
from rsciio_sparse.athena._perl import dictionary, parse

ARRAYS = ("x", "y", "i0", "signal", "stddev")

HEAD = 1000
"""Bytes in which the name of the format must appear."""

MAX_BYTES = 32 * 2**20
"""Largest size of a project when it is decompressed: hundreds of long scans."""

MAX_ITEMS, MAX_LISTS = 2_500_000, 200_000
"""Largest numbers of commas and of brackets in a project. In memory an item takes up to
twenty times its size in the file."""

PROCESSING = {
    "bkg_e0": "e0",
    "bkg_step": "edge_step",
    "bkg_rbkg": "rbkg",
    "bkg_kw": "kweight",
    "bkg_pre1": "pre1",
    "bkg_pre2": "pre2",
    "bkg_nor1": "norm1",
    "bkg_nor2": "norm2",
    "bkg_nnorm": "nnorm",
    "bkg_eshift": "energy_shift",
}
"""Parameter of Athena -> its name in larch. Athena's nnorm counts coefficients."""


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    records: Sequence[str] | None = None,
    apply_shift: bool = False,
) -> list[dict[str, Any]]:
    """Read an Athena project.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file.
    lazy : bool
        Ignored: a project is read at once.
    records : list of str, optional
        Labels of the records to read; all by default.
    apply_shift : bool
        Whether to add the energy shift with which Athena aligned a record. By default
        energies are as recorded, and the shift is in
        ``original_metadata.Athena.energy_shift``.

    Returns
    -------
    list of dict
        One spectrum for each record of mu(E), normalised mu(E) or chi(k), with
        Athena's parameters in ``original_metadata``.

    Raises
    ------
    MalformedFile
        If the file is not an Athena project; the message names line and reason.
    ValueError
        If a record was asked for that is not there.
    """
    path = str(filename)
    text = _text(path)
    found = _json_records(path, text) if text.startswith("{") else _perl(path, text)
    labels = [record["args"].get("label", record["name"]) for record in found]
    if not found:
        raise MalformedFile(path, None, "the project holds no record.")
    if records is not None:
        unknown = [label for label in records if label not in labels]
        if unknown:
            raise ValueError(
                f"{path} has no record {', '.join(map(repr, unknown))}. It holds: "
                f"{', '.join(map(str, labels))}."
            )
    return [
        _spectrum(path, record, str(label), apply_shift)
        for record, label in zip(found, labels, strict=True)
        if records is None or label in records
    ]


def _text(path: str) -> str:
    content = content_of(path)
    if content[:2] == b"\x1f\x8b":
        content = _decompressed(path, content)
    _check_head(path, content)
    if len(content) > MAX_BYTES:
        _refuse_size(path)
    text = content.decode("utf-8", errors="replace")
    lists = text.count("[") + text.count("{") + text.count("(")
    if text.count(",") > MAX_ITEMS or lists > MAX_LISTS:
        raise MalformedFile(
            path,
            None,
            f"the project holds {text.count(',')} items in {lists} lists, more than "
            "the spectra of a project can be.",
        )
    return text


def _decompressed(path: str, content: bytes) -> bytes:
    """Content of all members of a gzip file; its head is looked at before the rest."""
    parts: list[bytes] = []
    size = 0
    while content[:2] == b"\x1f\x8b":
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            for limit in (HEAD, MAX_BYTES + 1):
                parts.append(member.decompress(content, limit))
                content = member.unconsumed_tail
                size += len(parts[-1])
                _check_head(path, parts[0])
                if size > MAX_BYTES:
                    _refuse_size(path)
        except zlib.error as error:
            raise MalformedFile(
                path, None, f"the file cannot be decompressed ({error}): cut short?"
            ) from error
        if not member.eof:
            raise MalformedFile(
                path,
                None,
                "the file cannot be decompressed (it ends too soon): cut short?",
            )
        content = member.unused_data
    return b"".join(parts)


def _check_head(path: str, content: bytes) -> None:
    if b"Athena project file" not in content[:HEAD]:
        shown = content[:40].decode("utf-8", errors="replace")
        raise MalformedFile(
            path,
            1,
            f"{shown!r} where '# Athena project file' was expected: this is no "
            "Athena project.",
        )


def _refuse_size(path: str) -> None:
    raise MalformedFile(
        path, None, f"the project takes more than {MAX_BYTES >> 20} MiB."
    )


def _perl(path: str, text: str) -> list[dict[str, Any]]:
    """Records of the form ``@x = (...);`` up to a line ``[record]``."""
    records: list[dict[str, Any]] = []
    record: dict[str, Any] = {}
    start = 1
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("[record]"):
            records.append(_complete(path, number, record))
            record = {}
            continue
        if line[:1] not in "$@%" or "=" not in line:
            continue
        key, _, literal = line[1:].partition("=")
        key = key.strip()
        if key not in (*ARRAYS, "args", "old_group", "xdi"):
            continue
        start = start if record else number
        try:
            value = parse(literal)
        except ValueError as error:
            raise MalformedFile(path, number, f"{key}: {error}.") from error
        record[key] = value
    if "x" in record:
        raise MalformedFile(
            path, start, "this record is not closed by '[record]': was the file cut?"
        )
    return records


def _complete(path: str, number: int, record: dict[str, Any]) -> dict[str, Any]:
    """A record of Perl literals with its parameters as a dict."""
    args = record.get("args") or []
    if isinstance(args, list):
        try:
            args = dictionary(args)
        except ValueError as error:
            raise MalformedFile(path, number, f"args: {error}.") from error
    if not isinstance(args, dict):
        raise MalformedFile(path, number, "args holds no parameters.")
    record["args"], record["line"] = args, number
    record["name"] = str(record.get("old_group", ""))
    return record


def _json_records(path: str, text: str) -> list[dict[str, Any]]:
    try:
        project = json.loads(text)
    except json.JSONDecodeError as error:
        raise MalformedFile(path, error.lineno, f"{error.msg}.") from error
    except (ValueError, RecursionError) as error:
        # Integers of thousands of digits, and lists within thousands of others.
        raise MalformedFile(path, None, f"this is no project: {error}.") from None
    order = next((v for k, v in project.items() if k.startswith("_____order")), None)
    if order is None:
        order = [k for k in project if not k.startswith("_____")]
    if not isinstance(order, list) or not all(isinstance(name, str) for name in order):
        raise MalformedFile(path, None, "the order of the records is no list of names.")
    records = []
    for name in order:
        if name not in project:
            raise MalformedFile(path, None, f"the record {name!r} is missing.")
        record = project[name]
        if not isinstance(record, dict):
            raise MalformedFile(path, None, f"the record {name!r} holds no fields.")
        args = record.get("args") or {}
        if not isinstance(args, dict):
            raise MalformedFile(
                path, None, f"the record {name!r}: args holds no parameters."
            )
        records.append({**record, "args": args, "name": name, "line": None})
    return records


def _spectrum(
    path: str, record: dict[str, Any], label: str, apply_shift: bool
) -> dict[str, Any]:
    args, line = record["args"], record["line"]
    arrays = {}
    for key in ARRAYS:
        if record.get(key):
            try:
                arrays[key] = np.array(record[key], dtype=float)
            except (TypeError, ValueError, OverflowError) as error:
                raise MalformedFile(
                    path, line, f"record {label!r}: {key} holds no numbers ({error})."
                ) from error
            if arrays[key].ndim != 1:
                raise MalformedFile(
                    path, line, f"record {label!r}: {key} is no list of numbers."
                )
    sizes = {key: len(values) for key, values in arrays.items()}
    if not {"x", "y"} <= sizes.keys() or sizes["x"] != sizes["y"] or sizes["x"] < 2:
        raise MalformedFile(
            path,
            line,
            f"record {label!r} has arrays of {sizes}: x and y of one length were "
            "expected.",
        )
    families = _families(record, args)
    processing = {
        name: number_of(args[key]) for key, name in PROCESSING.items() if key in args
    }
    original = {"Athena": processing, "parameters": args, **families}
    original["columns"] = {key: arrays[key] for key in arrays if key not in "xy"}
    metadata = metadata_of(families)
    x, y, numbers = arrays["x"], arrays["y"], [line] * sizes["x"]
    if number_of(args.get("is_chi")) == 1 or args.get("recordtype") == "chi(k)":
        return chi_spectrum(path, x, y, numbers, label, metadata, original)
    quantity = "Absorption"
    if apply_shift:
        x = x + (processing.get("energy_shift") or 0.0)
    if number_of(args.get("is_nor")) == 1:
        metadata["XAS"] = {"normalized": True}
        quantity = "Normalised absorption"
    return spectrum(path, x, y, numbers, label, metadata, original, quantity=quantity)


def _families(record: dict[str, Any], args: dict[str, Any]) -> Families:
    """Element, edge, beamline and sample under the names of XDI."""
    xdi = record.get("xdi")
    fields = xdi.get("metadata") if isinstance(xdi, dict) else None
    families = {
        family: {key: str(value) for key, value in entries.items()}
        for family, entries in (fields or {}).items()
        if isinstance(entries, dict) and entries
    }
    element = families.setdefault("Element", {})
    symbol = args.get("bkg_z") or args.get("atsym")
    edge = args.get("fft_edge") or args.get("edge")
    if symbol and not element.get("symbol"):
        element["symbol"] = str(symbol)
    if edge and not element.get("edge"):
        element["edge"] = str(edge).capitalize()
    return families

"""Damaged files, one after the other, read in a process that somebody watches.

``python -m tests.rsciio_sparse.fuzzing KIND SEED N FOLDER BASE`` damages the file BASE
in N ways and reads each, and prints a line of JSON for each: what was done, how it
ended, seconds, and the growth of the memory in MiB.
"""

import gzip
import json
import sys
import time
import warnings
from pathlib import Path

import h5py
import numpy as np

# Numbers that programs trip over.
ABSURD = (0, 1, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def read_scube(path):
    from rsciio_sparse.scube import file_reader

    file_reader(path)


def read_makers(name):
    def read(path):
        import importlib

        module = importlib.import_module(f"rsciio_sparse._vendors.{name}")
        for source in module.sources(path):
            layout = source.layout()
            for _ in source.read(layout, range(layout.n_tiles)):
                pass

    return read


def read_h5oina(path):
    from rsciio_sparse.h5oina import file_reader

    # A dense cube is as large as it is; the header and a chunk of it are read.
    for signal in file_reader(path, lazy=True):
        data = signal["data"]
        if hasattr(data, "dask"):
            data.blocks[(0,) * data.ndim].compute()


def read_format(name):
    def read(path):
        import importlib

        importlib.import_module(f"rsciio_sparse.{name}").file_reader(path)

    return read


READERS = {
    "xdi": read_format("xdi"),
    "columns": read_format("xas_columns"),
    "athena": read_format("athena"),
    "9809": read_format("xas9809"),
    "nexus": read_format("nexus_xas"),
    "scube": read_scube,
    "jeol": read_makers("jeol"),
    "bruker": read_makers("bruker"),
    "velox": read_makers("velox"),
    "h5oina": read_h5oina,
}


def damage(raw, rng):
    """A damaged copy of some bytes, and in words what was done."""
    changed = bytearray(raw)
    # Headers, at the beginning, matter more than the rest.
    place = int(len(raw) * rng.random() ** rng.integers(1, 5))
    kind = rng.choice(["cut", "bits", "numbers", "zeros", "moved", "doubled"])
    if kind == "cut":
        del changed[place:]
    elif kind == "bits":
        for _ in range(rng.integers(1, 9)):
            at = int(len(raw) * rng.random() ** rng.integers(1, 5))
            changed[at] ^= 1 << rng.integers(8)
    elif kind == "numbers":
        for _ in range(rng.integers(1, 4)):
            at = int(len(raw) * rng.random() ** rng.integers(1, 5)) // 2 * 2
            value = int(rng.choice(ABSURD)).to_bytes(8, "little")
            size = int(rng.choice([2, 4, 8]))
            changed[at : at + size] = value[:size]
    elif kind == "zeros":
        size = int(rng.integers(1, 4096))
        changed[place : place + size] = bytes(len(changed[place : place + size]))
    elif kind == "moved":
        del changed[place : place + int(rng.integers(1, 64))]
    else:
        size = int(rng.integers(1, 4096))
        changed[place:place] = changed[place : place + size]
    return bytes(changed), f"{kind} at {place}"


# Words that parsers trip over.
WORDS = (
    "", "nan", "inf", "-1", "0", "1e999", "9" * 400, "9" * 6000, "\u00b2", "1_0",
    "#", "'", '"', "[", "(", "{", "undef", "=>", "# XDI/1.0", "Infinity", "1" * 20,
    "[" * 3000, "{'a' => " * 3000, "[1] => 2", "{[1] => 2}", "null", "true", "{}", "[]",
    " " * 5000, "\t" * 5000, "a" * 5000, "1," * 5000, "Mono :" + " " * 5000, "#S 1 x",
    "Offset", "Mode", "Column.1: x", "Element.symbol:", "\xe9", "\ud83d\ude00", "\x00",
)  # fmt: skip


def damage_text(raw, rng):
    """A damaged copy of a text: words, lines and marks, in and out of gzip."""
    packed = raw[:2] == b"\x1f\x8b"
    if packed and rng.random() < 0.3:
        return damage(raw, rng)
    text = gzip.decompress(raw) if packed else raw
    kind = rng.choice(["bytes", "word", "words", "line", "mark", "twice", "encoding"])
    lines = text.split(b"\n")
    at = int(len(lines) * rng.random() ** rng.integers(1, 4))
    if kind == "bytes":
        text, what = damage(text, rng)
    elif kind in ("word", "words"):
        what = []
        for _ in range(1 if kind == "word" else 5):
            at = int(len(lines) * rng.random() ** rng.integers(1, 4))
            words = lines[at].split(b" ")
            place = int(rng.integers(len(words)))
            word = str(rng.choice(WORDS))
            words[place] = word.encode("utf-8", "surrogatepass")
            lines[at] = b" ".join(words)
            what.append(f"{word[:20]!r} in line {at + 1}")
        text, what = b"\n".join(lines), "; ".join(what)
    elif kind == "line":
        word = str(rng.choice(WORDS))
        lines.insert(at, word.encode("utf-8", "surrogatepass"))
        text, what = b"\n".join(lines), f"line {at + 1} is {word[:20]!r}"
    elif kind == "mark":
        marks = [place for place, c in enumerate(text) if c in b"()[]{}'\",=;:#\n. "]
        place = int(rng.choice(marks))
        new = bytes([int(rng.choice(list(b"()[]{}'\",=;:#\n. 7")))])
        text = text[:place] + new + text[place + 1 :]
        what = f"{new!r} at byte {place}"
    elif kind == "twice":
        lines[at:at] = lines[at : at + int(rng.integers(1, 9))]
        text, what = b"\n".join(lines), f"lines from {at + 1} on twice"
    else:
        encoding = str(rng.choice(["utf-16", "utf-8-sig", "utf-7", "cp037"]))
        text = text.decode("latin-1").encode(encoding, "replace")
        what = f"encoded as {encoding}"
    return (gzip.compress(text, 1) if packed else text), what


def damage_nexus(path, rng):
    """Put something else in the place of a group or field of a NeXus file."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visit(names.append)
        name = str(rng.choice(names))
        kinds = ("dangling", "circle", "group", "field", "text", "empty", "one", "file")
        kind = str(rng.choice(kinds))
        del file[name]
        if kind == "dangling":
            file[name] = h5py.SoftLink("/nowhere/at/all")
        elif kind == "circle":
            file[name] = h5py.SoftLink(f"/{name}")
        elif kind == "group":
            file.create_group(name)
        elif kind == "field":
            file[name] = rng.normal(size=tuple(rng.integers(0, 4, rng.integers(4))))
        elif kind == "text":
            file[name] = [np.bytes_(b"Eisen gegl\xfcht"), np.bytes_(b"\xff\xfe")]
        elif kind == "empty":
            file[name] = h5py.Empty("f8")
        elif kind == "one":
            file[name] = rng.normal(size=1)
        else:
            file.create_dataset(name, (8,), "u1", external=[("/etc/hostname", 0, 8)])
        if rng.random() < 0.3:
            file[name].attrs["NX_class"] = np.array([b"NXentry", b"\xff"])
        return f"{kind} for {name}"


def damage_hdf5(path, rng):
    """Change a shape, an attribute or an array of an HDF5 file with its library."""
    with h5py.File(path, "r+") as file:
        names = []
        file.visit(names.append)
        name = str(rng.choice(names))
        item = file[name]
        kind = rng.choice(["attribute", "bomb", "values", "gone"])
        if kind == "attribute" and (owner := _with_attributes(file, names, rng)):
            key = str(rng.choice(list(owner.attrs)))
            old = owner.attrs[key]
            value = int(rng.choice(ABSURD))
            new = value if np.ndim(old) == 0 else np.full(np.shape(old), value, "u8")
            owner.attrs[key] = new
            return f"attribute {key} of {owner.name}: {value}"
        if isinstance(item, h5py.Dataset) and kind == "bomb":
            size, kept = int(rng.choice([2**20, 2**28, 2**34])), dict(item.attrs)
            dtype = item.dtype if item.dtype.kind in "iuf" else np.uint8
            shape = (size,) if item.ndim < 2 else (*item.shape[:-1], size)
            del file[name]
            made = file.create_dataset(
                name, shape, dtype, chunks=(1,) * (len(shape) - 1) + (2**16,),
                compression="gzip",
            )  # fmt: skip
            if rng.random() < 0.5:
                made[(*(0,) * (len(shape) - 1), slice(2**20))] = 0
            made.attrs.update(kept)
            return f"bomb of {size} in {name}"
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.size:
            values = np.array(item[()])
            flat = values.reshape(-1)
            flat[rng.integers(flat.size)] = np.array(
                int(rng.choice(ABSURD)) % 2 ** (8 * values.itemsize - 1)
            ).astype(values.dtype)
            kept = dict(item.attrs)
            del file[name]
            file[name] = values
            file[name].attrs.update(kept)
            return f"a value of {name}"
        del file[name]
        return f"{name} is gone"


def _with_attributes(file, names, rng):
    owners = [file, *(file[name] for name in names)]
    owners = [owner for owner in owners if len(owner.attrs)]
    return owners[rng.integers(len(owners))] if owners else None


def memory():
    """Peak and present resident memory in MiB; the peak is reset."""
    fields = dict(
        line.split(":", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
    )
    peak, now = (int(fields[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS"))
    Path("/proc/self/clear_refs").write_text("5")
    return peak, now


def say(row):
    """Write a line that the watching process reads at once."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main(kind, seed, n, folder, base):
    """Damage and read."""
    warnings.simplefilter("ignore")
    from rsciio_sparse import MalformedFile

    read, base = READERS[kind], Path(base)
    raw = base.read_bytes()
    is_text = kind in ("xdi", "columns", "athena", "9809")
    target = Path(folder) / base.name
    target.write_bytes(raw)
    read(target)
    for number in range(int(n)):
        rng = np.random.default_rng([int(seed), number])
        is_hdf5 = raw[:8] == b"\x89HDF\r\n\x1a\n"
        target.unlink()
        if is_text:
            changed, what = damage_text(raw, rng)
            target.write_bytes(changed)
        elif is_hdf5 and rng.random() < (0.7 if kind == "nexus" else 0.3):
            target.write_bytes(raw)
            try:
                change = damage_nexus if rng.random() < 0.6 else damage_hdf5
                what = (change if kind == "nexus" else damage_hdf5)(target, rng)
            except Exception as error:
                # What cannot be put there leaves a file that is damaged, too.
                what = f"{type(error).__name__}: {error}"
        else:
            changed, what = damage(raw, rng)
            target.write_bytes(changed)
        before, began = memory()[1], time.perf_counter()
        say({"number": number, "what": what})
        try:
            read(target)
            outcome = "read"
        except MalformedFile:
            outcome = "refused"
        except MemoryError as error:
            # A cube that is well described and larger than the machine.
            told = "lazy=True" in str(error)
            outcome = "refused" if told else f"MemoryError: {error}"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - began
        row = {"number": number, "outcome": outcome, "seconds": seconds}
        say({**row, "growth": memory()[0] - before})


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Damaged files, one after the other, read in a process that somebody watches.

``python -m tests.rsciio_sparse.fuzzing KIND SEED N FOLDER BASE`` damages the file BASE
in N ways and reads each, and prints a line of JSON for each: what was done, how it
ended, seconds, and the growth of the memory in MiB.
"""

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


READERS = {
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
    target = Path(folder) / base.name
    target.write_bytes(raw)
    read(target)
    for number in range(int(n)):
        rng = np.random.default_rng([int(seed), number])
        is_hdf5 = raw[:8] == b"\x89HDF\r\n\x1a\n"
        target.unlink()
        if is_hdf5 and rng.random() < 0.3:
            target.write_bytes(raw)
            what = damage_hdf5(target, rng)
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

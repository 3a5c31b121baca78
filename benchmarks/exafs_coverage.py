"""Do intervals hold the truth? Measured spectra of known structure, long and cut."""

import warnings

import numpy as np

from benchmarks.exafs_measured import (
    COPPER,
    CRYSTALS,
    ZINC_BLENDE,
    files,
    load,
)
from benchmarks.measure import Clock

# Ends of the range of k in 1/angstrom; None is that of the data.
CUTS = (None, 9.0, 7.5, 6.5)
# Scans of the folder of data, with what is fitted and the shells of the crystal: the
# two oxygens of copper oxide, 0.01 angstrom apart, are one shell.
TENORITE = (("O", 1.956, 4), ("Cu", 2.90, 4), ("Cu", 3.08, 4), ("Cu", 3.17, 2))
SELENIDE = [({"Se": "Zn", "Zn": "Se"}[e], r, n) for e, r, n in ZINC_BLENDE]
SCANS = {
    "copper oxide": ("library/CuO*.xdi", ("Cu", ["O", "Cu"], "K"), TENORITE),
    "selenium of ZnSe": ("library/Se_ZnSe*.xdi", ("Se", ["Zn", "Se"], "K"), SELENIDE),
    "copper 150 K": ("library/cu_150k.xmu", COPPER, CRYSTALS["cu_foil_10k"][3]),
}
# The particles of uranium dioxide are no crystal.
KNOWN = ("cu_foil_10k", "nickel foil", "nio", "nio_chi", "znse")
# Half width of a 95 % interval in standard deviations.
WIDTH = 1.96


def spectra():
    """(name, chi, basis, shells) of every spectrum that is there."""
    import hyperspy.api as hs

    found = []
    for name in KNOWN:
        key, index, composition, shells, _ = CRYSTALS[name]
        signal, _ = load(key)
        if signal is not None:
            signal = signal if index is None else signal.inav[index]
            found.append((name, signal, composition, shells))
    for name, (pattern, composition, shells) in SCANS.items():
        for path in files(pattern):
            found.append((name, hs.load(path), composition, shells))
    return found


def beside(rows, shells, resolution):
    """Which intervals hold the crystal's shells, merged where they are not resolved.

    Parameters
    ----------
    rows : list of dict
        Table of a fit.
    shells : list of (element, distance, atoms)
        Shells of the crystal.
    resolution : float
        Distance in angstrom of shells of an element that count as one.

    Returns
    -------
    dict
        Lists of bool ``R`` and ``N`` of the shells that were found and are known,
        ``first`` of the nearest one, None if it was missed, and ``spurious`` rows
        nearer than the last known shell.
    """
    merged = []
    for element, r, n in sorted(shells, key=lambda shell: (shell[0], shell[1])):
        last = merged[-1] if merged else None
        if last and last[0] == element and r - last[2] < resolution:
            last[1] = (last[1] * last[3] + r * n) / (last[3] + n)
            last[2], last[3] = r, last[3] + n
        else:
            merged.append([element, r, r, n])
    covered = {"R": [], "N": [], "first": None, "spurious": 0}
    nearest = min(r for _, r, *_ in merged)
    for row in rows:
        element = row["element"].split(" via ")[0]
        near = [s for s in merged if s[0] == element]
        near = min(near, key=lambda s: abs(s[1] - row["R"]), default=None)
        away = np.inf if near is None else abs(near[1] - row["R"])
        if away < max(0.15, resolution):
            holds = (
                away < WIDTH * row["R_std"],
                (abs(near[3] - row["N"]) < WIDTH * row["N_std"]),
            )
            covered["R"].append(bool(holds[0]))
            covered["N"].append(bool(holds[1]))
            if near[1] == nearest:
                covered["first"] = bool(holds[0])
        elif row["R"] < max(s[2] for s in merged) + 0.15:
            covered["spurious"] += 1
    return covered


def coverage(kmax=None):
    """Fractions over all spectra, for one end of the range of k."""
    from sparsedecomp.xas import FeffBasis

    clock, found = Clock(), []
    for name, signal, (absorber, elements, edge), shells in spectra():
        chi = signal.autobk() if hasattr(signal, "autobk") else signal
        basis = FeffBasis.from_composition(absorber, elements, edge=edge)
        with warnings.catch_warnings():
            # Short ranges of k are warned of.
            warnings.simplefilter("ignore", UserWarning)
            result = chi.exafs_sparse_fit(basis, kmax=kmax)
        low, high = result.fits[0].k_range_
        table = result.shells()
        found.append(beside(table, shells, np.pi / 2 / (high - low)))
        found[-1]["rows"], found[-1]["name"] = len(table), name
    if not found:
        return {"missing": "no spectra"}
    firsts = [row["first"] for row in found]
    R, N = (np.concatenate([row[key] for row in found]) for key in "RN")
    rows = max(sum(row["rows"] for row in found), 1)
    return clock.read() | {
        "spectra": len(found),
        "covered_R": float(np.mean(R)),
        "covered_N": float(np.mean(N)),
        "covered_first": float(np.mean([first is True for first in firsts])),
        "missed_first": sum(first is None for first in firsts),
        "spurious": sum(row["spurious"] for row in found) / rows,
        "found": f"R {np.mean(R):.2f}, N {np.mean(N):.2f} of {len(R)} shells",
    }

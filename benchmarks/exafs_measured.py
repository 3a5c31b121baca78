"""Measured spectra in the benchmark ``exafs``: beside larch's, and beside crystals."""

import numpy as np

from benchmarks.measure import Clock, quickest

# A stick farther than this from every shell of the crystal belongs to none, angstrom.
NEAR = 0.15
# Part of the sum of N / R^2 from which a stick is asked for its element.
STRONG = 0.1


def _shells(cell, *shells):
    """(element, distance, atoms) of shells given as squares of distances in cells."""
    return [(element, cell * np.sqrt(square), n) for element, square, n in shells]


def _metal(element, cell):
    squares = ((1 / 2, 12), (1, 6), (3 / 2, 24), (2, 12))
    return _shells(cell, *((element, *square) for square in squares))


ROCK_SALT = _shells(
    4.1771,
    ("O", 1 / 4, 6),
    ("Ni", 1 / 2, 12),
    ("O", 3 / 4, 8),
    ("Ni", 1, 6),
    ("O", 5 / 4, 24),
    ("Ni", 3 / 2, 24),
)
ZINC_BLENDE = _shells(5.6688, ("Se", 3 / 16, 4), ("Zn", 1 / 2, 12), ("Se", 11 / 16, 12))
FLUORITE = _shells(5.4704, ("O", 3 / 16, 8), ("U", 1 / 2, 12), ("O", 11 / 16, 24))
OCTAHEDRA, TETRAHEDRA, BETWEEN = np.sqrt(2), np.sqrt(8 / 3), 1.52
COPPER, NICKEL = ("Cu", ["Cu"], "K"), ("Ni", ["O", "Ni"], "K")
ZINC, URANIUM = ("Zn", ["Se", "Zn"], "K"), ("U", ["O", "U"], "L3")
# What is fitted: the data and which of their spectra; absorber, elements and edge; the
# crystal's shells; the ratio of its first two distances where that tells a site.
CRYSTALS = {
    "cu_foil_10k": ("cu_foil_10k", None, COPPER, _metal("Cu", 3.6032), None),
    "nickel foil": ("nickel_and_oxide", 0, NICKEL, _metal("Ni", 3.5238), None),
    "nio": ("nickel_and_oxide", 1, NICKEL, ROCK_SALT, OCTAHEDRA),
    "nio_chi": ("nio_chi", None, NICKEL, ROCK_SALT, OCTAHEDRA),
    "znse": ("znse", None, ZINC, ZINC_BLENDE, TETRAHEDRA),
    "uo2": ("uo2", None, URANIUM, FLUORITE, TETRAHEDRA),
    "uo2_chi": ("uo2_chi", None, URANIUM, FLUORITE, TETRAHEDRA),
}


def load(name):
    """A measured spectrum, or None and why not."""
    from sparsedecomp import datasets

    try:
        return datasets.load(name), None
    except (OSError, ValueError) as error:
        return None, str(error).splitlines()[0]


def files(*patterns):
    """Files of X-ray absorption that match, by name."""
    from sparsedecomp import datasets

    folder = datasets.data_dir()
    found = (
        [p for pattern in patterns for p in folder.glob(f"xas/{pattern}")]
        if folder
        else []
    )
    return sorted(found, key=lambda path: path.name)


def agreement():
    """Threshold, edge step and chi of ours and of larch, for every scan there is."""
    import hyperspy.api as hs

    scans = {}
    for path in files("*.xmu", "XDI/*.xdi", "repeats/*.xdi"):
        # The others are no spectra of absorption.
        if not path.name.startswith("nonxafs"):
            scans[path.name] = hs.load(path)
    uo2, _ = load("uo2")
    if uo2:
        scans["uo2"] = uo2
    clock = Clock()
    rows = [{"method": name} | _agree(scan) for name, scan in scans.items()]
    if not rows:
        return {"missing": "no scans"}
    return clock.read() | {"rows": rows}


def _agree(signal):
    """One scan, as larch leaves it and with larch's own search led to its end."""
    from importlib import import_module

    from larch import Group
    from larch.xafs import pre_edge
    from scipy.optimize import leastsq

    module = import_module("larch.xafs.autobk")
    call = {}

    def remembered(residual, start, args, **options):
        call.update(residual=residual, args=args, options=options)
        call["found"] = leastsq(residual, start, args, **options)
        return call["found"]

    ours = signal.autobk()
    energy = signal.axes_manager.signal_axes[0].axis
    group = Group(energy=energy, mu=signal.data)
    pre_edge(group)
    module.leastsq, original = remembered, module.leastsq
    try:
        module.autobk(group, rbkg=1, kweight=2)
    finally:
        module.leastsq = original
    residual, args, n = call["residual"], call["args"], len(call["found"][0])
    detail = group.autobk_details

    def chi_of(coefficients):
        tail = np.full(len(detail.coefs) - n, coefficients[-1])
        both = np.concatenate([coefficients, tail])
        knots = detail.knots, both, detail.order
        chi = module.spline_eval(args[1], args[2], *knots, group.k)[1]
        return chi / group.edge_step

    def cost(coefficients):
        return np.sum(residual(coefficients, *args) ** 2)

    # chi is affine in the coefficients: ours are those that give our chi.
    none = chi_of(np.zeros(n))
    each = np.array([chi_of(unit) - none for unit in np.eye(n)])
    mine = np.linalg.lstsq(each.T, ours.data - none, rcond=None)[0]
    exactly = {"ftol": 1e-15, "xtol": 1e-15, "epsfcn": 1e-10}
    theirs = call["found"][0]
    ended = leastsq(residual, theirs, args, **(call["options"] | exactly))[0]
    from_ours = leastsq(residual, mine, args, **call["options"])[0]
    return {
        "difference": _difference(ours.data, group.chi, group.k),
        "at_the_end": _difference(ours.data, chi_of(ended), group.k),
        "from_ours": _difference(ours.data, chi_of(from_ours), group.k),
        "cost": float(cost(mine) / cost(theirs) - 1),
        "e0_off": float(abs(signal.find_e0() - group.e0)),
        "step_off": float(abs(signal.edge_step() / group.edge_step - 1)),
    }


def _difference(ours, theirs, k):
    """Relative root mean square of the difference of k^2 chi."""
    return float(np.linalg.norm(k**2 * (ours - theirs)) / np.linalg.norm(k**2 * theirs))


def columns():
    """EXAFS of every path of FEFF there is, ours and larch's path2chi."""
    from larch.xafs import feffpath, path2chi

    from sparsedecomp.xas import read_feff_path
    from sparsedecomp.xas.theory.channels import Channel
    from sparsedecomp.xas.theory.scattering import ScatteringGrid

    k = np.arange(2.5, 18, 0.05)
    at = {"e0": 3.0, "sigma2": 0.005, "third": 1e-4}
    clock, worst = Clock(), []
    for path in files("feff/*/feff*.dat"):
        theirs = feffpath(str(path), degen=1, s02=0.9, **at)
        path2chi(theirs, k=k)
        grid = ScatteringGrid.from_paths([read_feff_path(path)])
        channel = Channel(grid.scatterer, (grid,), (1.0,), 0.0, 0.9)
        ours = channel.columns(k, grid.r, **at)[0, 0]
        # larch replaces its first point.
        off = np.abs(ours - theirs.chi)[1:].max()
        worst.append(off / np.abs(theirs.chi).max())
    if not worst:
        return {"missing": "no paths"}
    return clock.read() | {"difference": float(max(worst)), "count": len(worst)}


def feff_grid():
    """Grids of one element, single atoms and rows of them, by a run of FEFF6L."""
    from sparsedecomp.xas import FeffError
    from sparsedecomp.xas.theory.clusters import make_cluster
    from sparsedecomp.xas.theory.grid_store import compute_grids

    clock = Clock()
    try:
        compute_grids(make_cluster("Cu", ["Cu"]), "K", ["Cu"], [("Cu", "Cu")])
    except FeffError as error:
        return {"missing": str(error).splitlines()[0]}
    return clock.read()


def shells(name):
    """Shells of a measured spectrum beside those of the crystal."""
    from sparsedecomp.xas import FeffBasis

    data, spectrum, (absorber, elements, edge), crystal, ratio = CRYSTALS[name]
    signal, missing = load(data)
    if missing:
        return {"missing": missing}
    if spectrum is not None:
        signal = signal.inav[spectrum]
    chi = signal.autobk() if hasattr(signal, "autobk") else signal
    basis = FeffBasis.from_composition(absorber, elements, edge=edge)
    clock = Clock()
    table = chi.exafs_sparse_fit(basis).shells()
    row = clock.read() | beside_crystal(table, crystal)
    if ratio:
        first = [
            min(stick["R"] for stick in table if stick["element"] == element)
            for element in elements
        ]
        row["ratio"] = first[1] / first[0]
        row["ratio_off"] = abs(row["ratio"] - ratio)
        row["right_site"] = bool((row["ratio"] < BETWEEN) == (ratio < BETWEEN))
    return row


def beside_crystal(table, crystal):
    """What of a table of shells is the crystal's, and what is not.

    Returns
    -------
    dict
        ``shells``: of those of the crystal that were found, errors of R and N;
        ``spurious``: part of the atoms that is elsewhere; ``right_elements``: part of
        the strong sticks whose element is that of the crystal at their distance.
    """
    found, elsewhere, right = {}, 0.0, []
    density = sum(stick["N"] / stick["R"] ** 2 for stick in table)
    for stick in table:
        element = stick["element"].split(" via ")[0]
        away = np.array([abs(stick["R"] - R) for _, R, _ in crystal])
        if stick["N"] / stick["R"] ** 2 > STRONG * density and away.min() < NEAR:
            right.append(crystal[away.argmin()][0] == element)
        away[[kind != element for kind, _, _ in crystal]] = np.inf
        nearest = int(away.argmin())
        if away[nearest] > NEAR:
            elsewhere += stick["N"]
            continue
        shell = found.setdefault(str(nearest + 1), {"N": 0.0, "NR": 0.0})
        shell["N"] += stick["N"]
        shell["NR"] += stick["N"] * stick["R"]
    for shell, values in found.items():
        _, R, N = crystal[int(shell) - 1]
        values["dR"] = values.pop("NR") / values["N"] - R
        values["dN"] = values["N"] - N
    total = elsewhere + sum(values["N"] for values in found.values())
    return {
        "shells": found,
        "spurious": elsewhere / total,
        "right_elements": float(np.mean(right)),
        "found": "  ".join(
            f"{crystal[int(s) - 1][0]} {v['dR']:+.3f} N {v['N']:.1f}"
            for s, v in sorted(found.items())
        ),
    }


def first_shell_larch():
    """larch's fit of copper's first shell, its distance and kind of atom given."""
    from larch import Group
    from larch.fitting import guess, param, param_group
    from larch.xafs import (
        autobk,
        feffit,
        feffit_dataset,
        feffit_transform,
        feffpath,
    )

    signal, missing = load("cu_foil_10k")
    paths = files("feff/Cu*/feff0001.dat")
    if missing or not paths:
        return {"missing": missing or "no path of copper"}
    group = Group(energy=signal.axes_manager.signal_axes[0].axis, mu=signal.data)
    autobk(group, rbkg=1, kweight=2)

    def fit():
        parameters = param_group(
            n=guess(12.0),
            s02=param(0.9, vary=False),
            e0=guess(5.0),
            dr=guess(0.0),
            s2=guess(0.004),
        )
        path = feffpath(
            str(paths[0]), s02="n*s02/12", e0="e0", deltar="dr", sigma2="s2"
        )
        transform = feffit_transform(
            kmin=3, kmax=17, kweight=2, dk=1, window="hanning", rmin=1.4, rmax=3.0
        )
        dataset = feffit_dataset(data=group, pathlist=[path], transform=transform)
        return path, feffit(parameters, dataset).paramgroup

    fit()
    (path, found), times = quickest(fit, 3)
    distance = path.reff + found.dr.value
    _, nearest, _ = CRYSTALS["cu_foil_10k"][3][0]
    return times | {"found": f"Cu {distance - nearest:+.3f} N {found.n.value:.1f}"}

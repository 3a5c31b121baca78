"""What one process of the benchmark ``exafs`` does: a method on a set of spectra."""

import numpy as np

from benchmarks.measure import Clock, Meter, quickest

# Distances (angstrom) and numbers of atoms in crystals of known lattice constant.
COPPER = 3.6032
ROCK_SALT = 4.1771
ZINC_BLENDE = 5.6688
CRYSTALS = {
    "cu_foil_10k": (
        ("Cu", ["Cu"]),
        [
            ("Cu", COPPER * np.sqrt(0.5), 12),
            ("Cu", COPPER, 6),
            ("Cu", COPPER * np.sqrt(1.5), 24),
            ("Cu", COPPER * np.sqrt(2), 12),
        ],
    ),
    "nio_chi": (
        ("Ni", ["O", "Ni"]),
        [("O", ROCK_SALT / 2, 6), ("Ni", ROCK_SALT * np.sqrt(0.5), 12)],
    ),
    "znse": (
        ("Zn", ["Se", "Zn"]),
        [
            ("Se", ZINC_BLENDE * np.sqrt(3) / 4, 4),
            ("Zn", ZINC_BLENDE * np.sqrt(0.5), 12),
        ],
    ),
}
# A stick farther than this from every shell of the crystal belongs to none.
NEAR = 0.15
PENALTIES = np.geomspace(1, 0.01, 13)[1:]


def load(name):
    """A measured spectrum, or None and why not."""
    from sparsedecomp import datasets

    try:
        return datasets.load(name), None
    except (OSError, ValueError) as error:
        return None, str(error).splitlines()[0]


def absorption(count, lazy=False):
    """A copper foil's mu(E), ``count`` times with noise of a thousandth of its step."""
    signal, missing = load("cu_foil_10k")
    if missing:
        return None, missing
    mu = signal.data
    noise = 1e-3 * np.ptp(mu)
    if lazy:
        import dask.array as da

        random = da.random.default_rng(0)
        shape, chunks = (count, mu.size), (4000, mu.size)
        data = mu + noise * random.standard_normal(shape, chunks=chunks)
    else:
        data = mu + noise * np.random.default_rng(0).standard_normal((count, mu.size))
    return like(signal, data), None


def like(signal, data):
    """A signal of many spectra on the axis of one."""
    import hyperspy.api as hs

    lazy = hasattr(data, "dask")
    cls = hs.signals.LazySignal1D if lazy else hs.signals.Signal1D
    many = cls(
        data,
        axes=[
            {"size": len(data), "navigate": True, "name": "x"},
            signal.axes_manager.signal_axes[0].get_axis_dictionary(),
        ],
        metadata=signal.metadata.as_dictionary(),
    )
    many.set_signal_type("XAS")
    return many


def reduce_ours(count):
    """mu(E) to chi(k) of all spectra."""
    signal, missing = absorption(count)
    if missing:
        return {"missing": missing}
    signal.inav[:2].autobk()
    meter = Meter()
    _, times = quickest(signal.autobk, 3)
    return times | {"peak_mib": meter.peak_mib()}


def reduce_larch(count, timed):
    """The same by larch, spectrum by spectrum."""
    from larch import Group
    from larch.xafs import autobk

    signal, missing = absorption(timed)
    if missing:
        return {"missing": missing}
    energy = signal.axes_manager.signal_axes[0].axis

    def all_of_them():
        for mu in signal.data:
            autobk(Group(energy=energy, mu=mu), rbkg=1, kweight=2)

    _, times = quickest(all_of_them, 2)
    return {key: times[key] * count / timed for key in ("seconds", "cpu_seconds")}


def agree(name):
    """How far ours is from larch on one measured spectrum."""
    from larch import Group
    from larch.xafs import autobk

    signal, missing = load(name)
    if missing:
        return {"missing": missing}
    clock = Clock()
    ours = signal.autobk()
    times = clock.read()
    group = Group(energy=signal.axes_manager.signal_axes[0].axis, mu=signal.data)
    autobk(group, rbkg=1, kweight=2)
    k = ours.axes_manager.signal_axes[0].axis
    theirs = np.interp(k, group.k, group.chi)
    square = np.sum((k**2 * theirs) ** 2)
    difference = np.sqrt(np.sum((k**2 * (ours.data - theirs)) ** 2) / square)
    return times | {"difference": float(difference)}


def nickel_oxide(count, noise, seed=0):
    """chi(k) of changing numbers of O and Ni, these numbers, and EXAFS of one atom."""
    from sparsedecomp.xas import FeffBasis

    basis = FeffBasis.from_composition("Ni", ["O", "Ni"])
    oxygen, nickel = (
        next(c for c in basis.channels if c.element == element and not c.via)
        for element in ("O", "Ni")
    )
    k = np.arange(0, 14.01, 0.05)
    random = np.random.default_rng(seed)
    n = random.uniform((4, 6), (6, 12), (count, 2))
    atoms = np.array(
        [
            channel.columns(k[1:], distance, sigma2=sigma2)[0, 0]
            for channel, distance, sigma2 in (
                (oxygen, 2.0886, 0.006),
                (nickel, 2.9537, 0.006),
            )
        ]
    )
    chi = np.zeros((count, k.size))
    chi[:, 1:] = n @ atoms
    chi += noise * random.standard_normal(chi.shape)
    return basis, k, chi, n, atoms


def grid(count, **options):
    """A fit of simulated spectra, ready to look at its pixels, and the spectra."""
    from sparsedecomp.xas import SparseEXAFS

    basis, k, chi, *_ = nickel_oxide(count, 0.01)
    fit = SparseEXAFS(basis, r_range=(1.0, 3.4), **options).fit(chi, k)
    return fit, chi


def path_ours(count):
    """Lasso path of all spectra."""
    from sparsedecomp.xas.lasso import lasso_path

    fit, chi = grid(count, method="lasso", penalty=0.05)
    Y = fit.coordinates_.project(chi)
    lasso_path(fit.problem_, Y[:2], PENALTIES)
    meter = Meter()
    _, times = quickest(lambda: lasso_path(fit.problem_, Y, PENALTIES), 3)
    return times | {"peak_mib": meter.peak_mib(), "columns": len(fit.problem_.r)}


def path_sklearn(count, timed):
    """The same penalties by scikit-learn's coordinate descent."""
    from sklearn.linear_model import lasso_path

    fit, chi = grid(count, method="lasso", penalty=0.05)
    Y = fit.coordinates_.project(chi[:timed])
    X = np.asfortranarray(fit.problem_.columns.T)

    def all_of_them():
        for y in Y:
            alphas = PENALTIES * (X.T @ y).max() / len(y)
            lasso_path(X, y, alphas=alphas, positive=True, precompute=True)

    _, times = quickest(all_of_them, 2)
    return {key: times[key] * count / timed for key in ("seconds", "cpu_seconds")}


def evidence(count):
    """A support and numbers of atoms for each spectrum."""
    fit, chi = grid(count, support="pixel")
    fit.predict(chi[:2])
    meter = Meter()
    _, times = quickest(lambda: fit.predict(chi), 3)
    return times | {"peak_mib": meter.peak_mib()}


def chain(count):
    """Lazy: mu(E) to the mean number of nearest neighbours, nothing kept."""
    from sparsedecomp.xas import FeffBasis

    basis = FeffBasis.from_composition("Cu", ["Cu"])

    def mean_atoms(pixels):
        signal, missing = absorption(pixels, lazy=True)
        if missing:
            return missing
        result = signal.autobk().exafs_sparse_fit(basis, r_range=(1.4, 3.0))
        return float(np.asarray(result.n.mean(axis=0))[0])

    missing = mean_atoms(min(count, 5000))
    if isinstance(missing, str):
        return {"missing": missing}
    meter, clock = Meter(), Clock()
    atoms = mean_atoms(count)
    return clock.read() | {"peak_mib": meter.peak_mib(), "atoms": atoms}


def shells(name):
    """Shells of a measured spectrum beside those of the crystal."""
    from sparsedecomp.xas import FeffBasis

    signal, missing = load(name)
    if missing:
        return {"missing": missing}
    composition, crystal = CRYSTALS[name]
    chi = signal.autobk() if hasattr(signal, "autobk") else signal
    clock = Clock()
    table = chi.exafs_sparse_fit(FeffBasis.from_composition(*composition)).shells()
    row = clock.read()
    found, elsewhere = {}, 0.0
    for stick in table:
        distances = [
            abs(stick["R"] - R) if stick["element"].startswith(element) else np.inf
            for element, R, _ in crystal
        ]
        nearest = int(np.argmin(distances))
        if distances[nearest] > NEAR:
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
    return row | {
        "shells": found,
        "spurious": elsewhere / total,
        "found": "  ".join(
            f"{s}: dR {v['dR']:+.3f} N {v['N']:.1f}" for s, v in sorted(found.items())
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

    from sparsedecomp import datasets

    signal, missing = load("cu_foil_10k")
    folder = datasets.data_dir()
    paths = sorted(folder.glob("xas/feff/Cu*/feff0001.dat")) if folder else []
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
    nearest = COPPER * np.sqrt(0.5)
    return times | {
        "found": f"1: dR {distance - nearest:+.3f} N {found.n.value:.1f}",
    }


def image(edge, noise, support):
    """Numbers of atoms in the pixels of a noisy image."""
    from sparsedecomp.xas import SparseEXAFS

    basis, k, chi, truth, atoms = nickel_oxide(edge * edge, noise, seed=1)
    clock = Clock()
    fit = SparseEXAFS(basis, r_range=(1.0, 3.4), support=support).fit(chi, k)
    found = fit.predict(chi)
    row = clock.read()
    total = np.zeros_like(truth)
    inside = ~fit.shells_.is_leakage
    right = np.zeros(len(fit.shells_.r), bool)
    for column, (element, distance) in enumerate((("O", 2.0886), ("Ni", 2.9537))):
        of_shell = (fit.shells_.labels == element) & (
            np.abs(fit.shells_.r - distance) < NEAR
        )
        total[:, column] = found.n[:, of_shell].sum(axis=1)
        right |= of_shell
    error = np.sqrt(np.mean((total - truth) ** 2, axis=0))
    bound = smallest_error(atoms, k[1:], fit.k_range_, noise)
    row |= {"rmse_O": float(error[0]), "rmse_Ni": float(error[1])}
    row |= {"bound_O": float(bound[0]), "bound_Ni": float(bound[1])}
    if support == "joint":
        row["exact"] = bool(right[inside].all() and inside.sum() == 2)
    row["found"] = (
        f"rmse of N (bound): O {error[0]:.2f} ({bound[0]:.2f}), "
        f"Ni {error[1]:.2f} ({bound[1]:.2f})"
    )
    return row


def smallest_error(atoms, k, k_range, noise):
    """Cramer-Rao bound of an unbiased N when all but the numbers of atoms is known.

    That is a least squares fit with the true EXAFS of one atom, of every point in the
    range of k.
    """
    part = atoms[:, (k >= k_range[0]) & (k <= k_range[1])]
    return noise * np.sqrt(np.diag(np.linalg.inv(part @ part.T)))

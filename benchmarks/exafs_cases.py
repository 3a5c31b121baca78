"""Many spectra in the benchmark ``exafs``: speed, memory, and a simulated image."""

import numpy as np

from benchmarks.exafs_measured import NEAR, load
from benchmarks.measure import Clock, Meter, quickest

PENALTIES = np.geomspace(1, 0.01, 13)[1:]


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
    fit = SparseEXAFS(basis, rmin=1.0, rmax=3.4, **options).fit(chi, k)
    return fit, chi


def path_ours(count):
    """Lasso path of all spectra."""
    from sparsedecomp.xas.shells.lasso import lasso_path

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


def joint_lazy(count):
    """One support for an image that is read in chunks, and its numbers of atoms."""
    import dask.array as da
    import hyperspy.api as hs

    basis, k, chi, *_ = nickel_oxide(count, 0.01)
    axis = {"name": "k", "units": "1/Angstrom", "scale": k[1], "size": len(k)}
    pixels = {"size": count, "navigate": True}
    lazy = da.from_array(chi, chunks=(1000, -1))
    image = hs.signals.Signal1D(lazy, axes=[pixels, axis | {"navigate": False}])
    image = image.as_lazy()
    image.set_signal_type("EXAFS")

    def mean_atoms():
        result = image.exafs_sparse_fit(basis, rmin=1.0, rmax=3.4)
        return np.asarray(result.n.mean(axis=0))

    mean_atoms()
    meter = Meter()
    _, times = quickest(mean_atoms, 3)
    return times | {"peak_mib": meter.peak_mib()}


def chain(count):
    """Lazy: mu(E) to the mean number of nearest neighbours, nothing kept."""
    from sparsedecomp.xas import FeffBasis

    basis = FeffBasis.from_composition("Cu", ["Cu"])

    def mean_atoms(pixels):
        signal, missing = absorption(pixels, lazy=True)
        if missing:
            return missing
        result = signal.autobk().exafs_sparse_fit(basis, rmin=1.4, rmax=3.0)
        return float(np.asarray(result.n.mean(axis=0))[0])

    missing = mean_atoms(min(count, 5000))
    if isinstance(missing, str):
        return {"missing": missing}
    meter, clock = Meter(), Clock()
    atoms = mean_atoms(count)
    return clock.read() | {"peak_mib": meter.peak_mib(), "atoms": atoms}


def image(edge, noise, support, hierarchical=True):
    """Numbers of atoms in the pixels of a noisy image."""
    from sparsedecomp.xas import SparseEXAFS

    basis, k, chi, truth, atoms = nickel_oxide(edge * edge, noise, seed=1)
    options = {"support": support, "hierarchical": hierarchical}
    clock = Clock()
    fit = SparseEXAFS(basis, rmin=1.0, rmax=3.4, **options).fit(chi, k)
    found = fit.predict(chi)
    row = clock.read()
    total, variance = np.zeros((2, *truth.shape))
    inside = ~fit.shells_.is_leakage
    right = np.zeros(len(fit.shells_.r), bool)
    for column, (element, distance) in enumerate((("O", 2.0886), ("Ni", 2.9537))):
        of_shell = (fit.shells_.labels == element) & (
            np.abs(fit.shells_.r - distance) < NEAR
        )
        total[:, column] = found.n[:, of_shell].sum(axis=1)
        variance[:, column] = np.sum(found.n_std[:, of_shell] ** 2, axis=1)
        right |= of_shell
    error = np.sqrt(np.mean((total - truth) ** 2, axis=0))
    bound = smallest_error(atoms, k[1:], fit.k_range_, noise)
    row |= {"rmse_O": float(error[0]), "rmse_Ni": float(error[1])}
    row |= {"bound_O": float(bound[0]), "bound_Ni": float(bound[1])}
    if support == "joint":
        row["exact"] = bool(right[inside].all() and inside.sum() == 2)
        covered = np.abs(total - truth) < 2 * np.sqrt(variance)
        row["covered"] = float(covered.mean(axis=0).min())
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

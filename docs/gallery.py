"""Draw every figure of `sparsedecomp.plotting` into a folder, at 100 dpi.

``python docs/gallery.py FOLDER [NAME ...]`` draws all figures, or those named. They
are to be looked at before a release: no image is compared with another.
"""

from __future__ import annotations

import sys
from pathlib import Path

import hyperspy.api as hs
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

import sparsedecomp
from sparsedecomp import datasets, plotting
from sparsedecomp.decomposition import SSSVCA, confidence_bands
from sparsedecomp.superresolution import Tuning, edge_width
from sparsedecomp.xas import FeffBasis

QUIET = {"print_info": False, "show_progressbar": False, "random_state": 0}


def _particles(**options):
    s = datasets.edx_particles(shape=(32, 40), n_channels=512, seed=1)
    s.decomposition(algorithm="nmf_kl", output_dimension=3, **(QUIET | options))
    return s


def components():
    """Maps and spectra found."""
    return plotting.plot_components(_particles())


def components_and_truth():
    """Maps and spectra beside the truth."""
    s = _particles()
    return plotting.plot_components(s, truth=datasets.truth(s))


def components_signed():
    """Principal components, which have negative lobes."""
    s = _particles()
    s.change_dtype("float32")
    s.decomposition(algorithm="SVD", output_dimension=3, print_info=False)
    return plotting.plot_components(s)


def components_of_a_line():
    """Components of a line scan."""
    s = _particles().inav[:, 10]
    s.decomposition(algorithm="nmf_kl", output_dimension=2, **QUIET)
    return plotting.plot_components(s)


def fusion():
    """A fused map beside the coarse one, and its uncertainty."""
    y, x = np.mgrid[:48, :48] / 4
    image = 2 + np.sin(x * y / 4) + np.cos(2 * y)
    coarse = image.reshape(12, 4, 12, 4).mean(axis=(1, 3))[..., None] * np.ones(20)
    coarse += 0.02 * np.random.default_rng(0).normal(size=coarse.shape)
    s, guide = hs.signals.Signal1D(coarse), hs.signals.Signal2D(image)
    for axis in guide.axes_manager.signal_axes:
        axis.scale, axis.offset, axis.units = 0.25, -0.375, "nm"
    return s.fuse(guide).fusion.plot()


def relevance():
    """Relevance of the components."""
    return plotting.plot_relevance([320.0, 41.0, 2.5])


def objective():
    """Objective over the iterations."""
    return plotting.plot_objective_history(_particles())


def rank():
    """Singular values and the edge of the noise."""
    return _particles().estimate_rank().plot()


def dose():
    """Angles of the spectra over the dose."""
    s = sparsedecomp.datasets.edx_particles(shape=(32, 32), n_channels=256)
    return s.dose_plan(3, n_repeats=2, random_state=0, show_progressbar=False).plot()


def report():
    """Report on an unmixing."""
    s = _particles()
    return s.unmixing_report(2, 2, random_state=0, show_progressbar=False).plot()


def data_check():
    """Check of data with defects."""
    s = datasets.edx_particles(shape=(32, 40), n_channels=512, seed=1)
    s.change_dtype("float32")
    s.data[10, 5, 300] = 5000
    s.data[3:5, 20, 100] = 3000
    s.data[..., 200] = 0
    return s.check_data(energy_drift=False).plot()


def segmentation():
    """Phases of a specimen."""
    s = datasets.edx_particles(shape=(32, 40), n_channels=512, seed=1)
    return s.segment_composition(windows=["Fe_Ka", "O_Ka"], random_state=0).plot()


def tensor():
    """Factors of a tilt series."""
    s = datasets.tilt_series((16, 20), n_steps=8, n_channels=128, seed=1)
    return s.tensor_decomposition(3, random_state=0, show_progressbar=False).plot()


def cone():
    """Cone of non-negative spectra."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([1, 1, 1], 400)
    spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
    model = SSSVCA(3, random_state=0).fit(shares[shares.max(axis=1) < 0.8] @ spectra)
    return plotting.plot_cone(model)


def bands():
    """Confidence bands of spectra."""
    s = _particles()
    spectra = s.get_component_spectra().data
    return confidence_bands(s.data, spectra, n_halvings=1, random_state=0).plot()


def _nickel(**options):
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"])
    rng = np.random.default_rng(0)
    k = np.arange(1, 301) * 0.05
    chi = sum(
        n * basis.channels[c].columns(k, r, sigma2=0.007)[0, 0]
        for n, c, r in ((6, 0, 2.08), (12, 1, 2.95))
    )
    s = hs.signals.Signal1D(chi + rng.normal(0, 0.002, (3, 300)))
    s.axes_manager[-1].scale = s.axes_manager[-1].offset = 0.05
    s.axes_manager[-1].units = "1/Angstrom"
    s.set_signal_type("EXAFS")
    return s.exafs_sparse_fit(basis, random_state=0, **options)


def exafs_fit():
    """Fit of an EXAFS spectrum."""
    return _nickel().plot()


def exafs_lasso():
    """Lasso path and cross-validation."""
    return plotting.plot_lasso_path(_nickel(method="lasso").fits[0])


def exafs_posterior():
    """Probability of a shell at each distance."""
    found = _nickel(method="mcmc", n_sweeps=2000)
    return plotting.plot_shell_posterior(found)


def _iron(image):
    """Linear combination of three oxidation states of iron."""
    energy = np.arange(6950.0, 7350.0, 2.0)
    rng = np.random.default_rng(0)

    def spectrum(mu):
        i0 = np.ones(len(energy))
        s = sparsedecomp.signals.XASSpectrum.from_counts(i0, np.exp(-mu), energy=energy)
        s.set_edge("Fe", "K")
        return s

    pure = {}
    for name, e0, height in (("Fe", 7112, 0.1), ("FeO", 7119, 0.6), ("Fe2O3", 7124, 1)):
        peak = height * np.exp(-(((energy - e0 - 6) / 5) ** 2))
        pure[name] = np.arctan((energy - e0) / 2) / np.pi + 0.5 + peak
    y, x = np.mgrid[:40, :60] / 40
    weights = np.stack(
        [np.exp(-8 * ((x - c) ** 2 + (y - 0.5) ** 2)) for c in (0, 0.8, 1.5)], -1
    )
    weights /= weights.sum(axis=-1, keepdims=True)
    mu = (
        weights @ np.array(list(pure.values()))
        if image
        else 0.4 * pure["Fe"] + 0.6 * pure["FeO"]
    )
    mu = mu + rng.normal(0, 0.01, mu.shape)
    references = {name: spectrum(values) for name, values in pure.items()}
    return spectrum(mu).linear_combination(references)


def mixture():
    """Parts of an absorption spectrum."""
    return _iron(image=False).plot()


def mixture_maps():
    """Maps of the fractions of reference spectra."""
    return _iron(image=True).plot()


def target_transform():
    """References in the span of the principal components of a series."""
    energy = np.arange(6950.0, 7350.0, 2.0)
    e0 = np.array([[7112], [7119], [7124]])
    pure = np.arctan((energy - e0) / 2) + 2
    rng = np.random.default_rng(0)
    mu = rng.dirichlet([1, 1], 30) @ pure[:2] + rng.normal(0, 0.01, (30, 200))
    make = sparsedecomp.signals.XASSpectrum.from_counts
    i0 = np.ones(len(energy))
    s, *references = (make(i0, np.exp(-m), energy=energy) for m in (mu, *pure))
    return s.target_transform(dict(zip("ABC", references, strict=True))).plot()


def plan():
    """Shifts of a super-resolution measurement."""
    return sparsedecomp.plan_shifts(500, [(0, 0), (0, 200), (200, 0)]).plot()


def resolution():
    """Edge that a resolution was read from."""
    edge = 1 / (1 + np.exp(-0.7 * (np.arange(30) - 14.6)))
    return edge_width(edge, step=0.2).in_units("um").plot()


def tuning():
    """Trials of a search for parameters."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.uniform(-3, 1, 15))
    score = (np.log(values) + 1) ** 2 / 10 + rng.normal(0, 0.01, 15)
    best = int(np.argmin(score))
    return Tuning(
        objective="likelihood",
        names=("weight",),
        parameters=values[:, None],
        score=score,
        error=np.full(15, 0.02),
        resolution=2 + values,
        best={"weight": values[best]},
        chosen=best,
        shifts=np.zeros((2, 2)),
    ).plot()


FIGURES = {
    function.__name__: function
    for function in (
        components, components_and_truth, components_signed, components_of_a_line,
        relevance, objective, rank, dose, report, data_check, segmentation, tensor,
        cone, bands, exafs_fit, exafs_lasso, exafs_posterior, plan, resolution, tuning,
        fusion, mixture, mixture_maps, target_transform,
    )
}  # fmt: skip


def main(folder: str, *names: str) -> None:
    """Write the figures of these names, or all of them."""
    matplotlib.use("agg")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or FIGURES:
        FIGURES[name]()
        plt.gcf().savefig(Path(folder) / f"{name}.png", dpi=100)
        plt.close("all")


if __name__ == "__main__":
    main(*sys.argv[1:])

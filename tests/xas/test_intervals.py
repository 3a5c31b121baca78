"""Do the intervals of distances and of numbers of atoms hold the truth?"""

import re

import numpy as np
import pytest

from sparsedecomp import datasets
from sparsedecomp.xas import FeffBasis, ShellPrior, SparseEXAFS
from sparsedecomp.xas.shells.coordinates import window_coordinates
from sparsedecomp.xas.shells.map_refinement import refine
from sparsedecomp.xas.shells.model import ShellModel
from sparsedecomp.xas.shells.off_grid import shells_of
from sparsedecomp.xas.theory.channels import Channel
from sparsedecomp.xas.theory.feff_run import FeffError, find_feff
from sparsedecomp.xas.theory.scattering import ScatteringGrid

K = np.arange(0, 14.01, 0.05)
# Potentials of the true crystal: absorber, edge, files, elements, distances, atoms.
CRYSTALS = {
    "NiO": ("Ni", "K", "Ni_K_", ("O", "Ni"), (2.0886, 2.9537), (6, 12)),
    "UO2": ("U", "L3", "U_L3_", ("O", "U"), (2.3686, 3.8679), (8, 12)),
    "ZnSe": ("Zn", "K", "ZnSe_zb5.6688", ("Se", "Zn"), (2.4547, 4.0084), (4, 12)),
    "YO": ("Y", "K", "Y_K_rs5.25_", ("O", "Y"), (2.625, 3.7123), (6, 12)),
}


def crystal_channels(folder, absorber, edge, files, elements):
    """Channels of single scattering in the potentials of the crystal."""
    for symbol in elements:
        z = np.load(folder / f"xas/feff_rgrids/{files}_{symbol}_ss.npz")
        names = ("r", "k", "amp", "phase", "lam", "rep")
        arrays = [z[name].astype(float) for name in names]
        grid = ScatteringGrid(absorber, edge, symbol, *arrays)
        yield Channel(symbol, (grid,), (1.0,), 1.5, 0.9)


@pytest.mark.parametrize(
    ("crystal", "count"),
    [
        ("NiO", 3),
        pytest.param("NiO", 100, marks=pytest.mark.study),
        pytest.param("UO2", 20, marks=pytest.mark.study),
        pytest.param("ZnSe", 20, marks=pytest.mark.study),
        pytest.param("YO", 20, marks=pytest.mark.study),
    ],
)
def test_intervals_cover_distances_off_the_grid(data_dir, crystal, count):
    # Truth from the potentials of the true crystal, the fit from guessed ones.
    absorber, edge, files, elements, distances, numbers = CRYSTALS[crystal]
    channels = list(crystal_channels(data_dir, absorber, edge, files, elements))
    basis = FeffBasis.from_composition(absorber, elements, edge=edge)
    rng = np.random.default_rng(3)
    deviations, extra = [], 0
    for _ in range(count):
        r = np.array(distances) + rng.uniform(-0.03, 0.03, 2)
        n = np.array(numbers) * rng.uniform(0.8, 1.1, 2)
        chi = np.zeros(len(K))
        for channel, distance, atoms in zip(channels, r, n, strict=True):
            chi[1:] += atoms * channel.columns(K[1:], distance, sigma2=0.006)[0, 0]
        noise = 0.1 * np.sqrt(np.mean(chi[60:260] ** 2))
        chi += noise * rng.normal(size=len(chi))
        fit = SparseEXAFS(basis).fit(chi, K)
        pixel, shells = fit.predict(chi), fit.shells_
        extra += len(shells.r) - 2
        for label, distance, atoms in zip(elements, r, n, strict=True):
            away = np.abs(shells.r - distance) + 9 * (shells.labels != label)
            j = away.argmin()
            deviations.append((shells.r[j] - distance) / shells.r_std[j])
            deviations.append((pixel.n[0, j] - atoms) / pixel.n_std[0, j])
    assert extra <= 0.05 * count
    # R and N of the near shell, R and N of the far one.
    covered = np.mean(np.abs(np.reshape(deviations, (count, 4))) < 2, axis=0)
    assert np.all(covered >= (0.9 if count > 3 else 0.6)), covered


def test_errors_of_displacements_and_energy_zeros(rng):
    # Of what the shells share and their own together, as spectra scatter.
    basis = FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)
    coordinates = window_coordinates(K, (3, 13.5), (1.0, 5.2), noise=0.005)
    # Without errors of the theory, which repeated spectra share.
    prior = ShellPrior(model_error=1e-3, shape_error=0.0, missing_paths=0.0)
    model = ShellModel(basis.channels, coordinates, 5.8, prior)
    channel_index = np.arange(2)
    p = np.array([0, 0, 1.05, 2.0886, 2.9537, 6 / 2.0886**2, 12 / 2.9537**2, *[0] * 4])
    y = model.predict(p, channel_index)[0]
    scatter, expected = [], []
    for _ in range(40):
        noisy = y + np.sqrt(coordinates.white) * rng.normal(size=len(y))
        shells = shells_of(model, refine(model, noisy, p, channel_index), 5.6)[0]
        scatter.append([shells.e0, np.log(shells.sigma2)])
        expected.append([shells.e0_std, shells.sigma2_std / shells.sigma2])
    ratio = np.std(scatter, axis=0) / np.mean(expected, axis=0)
    assert np.all((ratio > 0.7) & (ratio < 1.4)), ratio


@pytest.mark.study
def test_error_of_distances_is_that_in_measured_crystals(data_dir):
    # The mean of the error's posterior with a flat prior; the default is larger, since
    # distances of light atoms and of outer shells in other samples err by more.
    hcp = 2.507
    crystals = {
        ("cu_foil_10k", "Cu", "K", ("Cu",)): [
            ("Cu", 3.6032 * ratio) for ratio in np.sqrt([0.5, 1, 1.5])
        ]
        + [("Cu via Cu", 3.6032 * np.sqrt(2))],
        # Twice six neighbours at 2.497 and 2.507 are one shell.
        ("co_foil", "Co", "K", ("Co",)): [("Co", 2.502), ("Co", hcp * np.sqrt(2))],
        ("znse", "Zn", "K", ("Se", "Zn")): [("Se", 2.4547), ("Zn", 4.0084)],
        ("uo2", "U", "L3", ("O", "U")): [("U", 3.8679)],
    }
    prior = ShellPrior(distance_error=1e-9)
    error, spread = [], []
    for (name, absorber, edge, elements), truth in crystals.items():
        chi = datasets.load(name).autobk()
        k = chi.axes_manager.signal_axes[0].axis
        basis = FeffBasis.from_composition(absorber, elements, edge=edge)
        shells = SparseEXAFS(basis, prior=prior).fit(chi.data, k).shells_
        for label, distance in truth:
            j = np.argmin(np.abs(shells.r - distance) + 9 * (shells.labels != label))
            error.append(shells.r[j] - distance)
            spread.append(shells.r_std[j])
    theory = np.linspace(0, 0.03, 301)[:, None]
    variance = np.square(spread) + theory**2
    log = -0.5 * np.sum(np.square(error) / variance + np.log(variance), axis=1)
    weight = np.exp(log - log.max())
    expected = np.average(theory[:, 0], weights=weight)
    assert 0.3 < expected / ShellPrior().distance_error < 1


# Elements of the formula, edge unless K, lattice constant in angstrom.
LATTICES = {
    "rocksalt": "CaO 4.811 SrO 5.160 BaO/L3 5.539 MnO 4.445 FeO 4.32 CoO 4.2615 CdO "
    "4.6953 EuO/L3 5.141 TiN 4.24 ZrN 4.58 VN 4.14 TiC 4.328 PbS/L3 5.936 MnS 5.224 "
    "AgCl 5.549 KCl 6.293 RbCl 6.581",
    "fluorite": "CeO/L3 5.411 UO/L3 5.471 ThO/L3 5.597 ZrO 5.09 CaF 5.463 SrF 5.80",
    "zincblende": "ZnS 5.409 ZnSe 5.6688 GaAs 5.6533 CdTe 6.482 CuCl 5.42 GaP 5.4505 "
    "InSb 6.479",
    "fcc": "Cu 3.615 Ag 4.0862 Au/L3 4.0782 Pt/L3 3.9242 Pd 3.8907 Rh 3.8034 "
    "Ir/L3 3.8394",
    "bcc": "Fe 2.8665 W/L3 3.1652 Mo 3.147 V 3.0278 Nb 3.3004 Ta/L3 3.3013",
}
# Distance over lattice constant, and number, of the first shell and of the absorbers.
SHELLS = {
    "rocksalt": ((1 / 2, 6), (np.sqrt(1 / 2), 12)),
    "fluorite": ((np.sqrt(3) / 4, 8), (np.sqrt(1 / 2), 12)),
    "zincblende": ((np.sqrt(3) / 4, 4), (np.sqrt(1 / 2), 12)),
    "fcc": ((np.sqrt(1 / 2), 12), (1, 6)),
    "bcc": ((np.sqrt(3) / 2, 8), (1, 6)),
}


def of_guessed_potentials(lattice, name, edge, constant):
    """Relative errors of R and of N of two shells, without noise."""
    absorber, *others = re.findall("[A-Z][a-z]?", name)
    elements = [*others, absorber]
    channel_index = np.array([0, len(elements) - 1])
    r, n = np.array(SHELLS[lattice]).T
    r = r * constant
    options = {"edge": edge, "focusing": False}
    coordinates = window_coordinates(K, (3, 13.5), (1.0, 5.2))
    true, guessed = (
        ShellModel(
            FeffBasis.from_composition(absorber, elements, **options, **of).channels,
            coordinates,
            5.8,
        )
        for of in ({"lattice": lattice, "bond": float(r[0])}, {})
    )
    common = [0, 0, guessed.prior.anharmonicity]
    p = np.concatenate([common, r, n / r**2, np.zeros(4)])
    fit = refine(guessed, true.predict(p, channel_index)[0], p, channel_index)
    found_r, found_n, *_ = guessed.shells(fit.p)
    return found_r / r - 1, found_n / n - 1


@pytest.mark.study
def test_errors_of_guessed_potentials():
    try:
        find_feff()
    except FeffError as error:
        pytest.skip(str(error))
    errors = []
    for lattice, crystals in LATTICES.items():
        words = crystals.split()
        for name, constant in zip(words[::2], words[1::2], strict=True):
            name, _, edge = name.partition("/")
            edge = edge or "K"
            errors.append(of_guessed_potentials(lattice, name, edge, float(constant)))
    distance, atoms = np.sqrt(np.mean(np.square(errors), axis=(0, 2)))
    assert len(errors) == 43 and distance < 1e-3
    # The rest of the default is the guessed amplitude reduction factor.
    assert 0.2 < atoms / ShellPrior().amplitude_error < 0.5

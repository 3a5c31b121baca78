"""FEFF paths and the EXAFS equation, against larch."""

import numpy as np
import pytest

from sparsedecomp.xas import read_feff_path
from sparsedecomp.xas.theory.channels import Channel
from sparsedecomp.xas.theory.feff_basis import FeffBasis
from sparsedecomp.xas.theory.scattering import ScatteringGrid
from tests.naive.scattering import exafs

CU = "xas/feff/Cu_fcc_a3.6032_shells/feff{:04d}.dat"
ZNSE = "xas/feff/ZnSe/feff_znse.dat"
K = np.array([3.0, 6.0, 10.0, 14.0])
# path2chi of xraylarch 2026.3.1, one atom, S02 = 0.9.
LARCH = [
    (
        CU.format(1),
        {"e0": 5.5, "sigma2": 0.004},
        [-0.00445852, 0.00185758, -0.00117622, -0.000325277],
    ),
    (
        CU.format(8),
        {"e0": -4.0, "sigma2": 0.008, "third": 0.0002},
        [-0.000303141, 0.000639927, 0.000146981, 1.59651e-05],
    ),
    (
        ZNSE,
        {"e0": 3.0, "sigma2": 0.006},
        [-0.000153778, 0.00551816, -0.00132501, -0.000226297],
    ),
]
HEADER = """ Cu metal
 Abs   Z=29 Rmt= 1.289 Rnm= 1.424 K shell
 -----------------------------------------------------------------------
   2  12.000   2.5478    2.6300   -5.53502 nleg, deg, reff
       x         y         z   pot at#
      .0000     .0000     .0000  0  29 Cu       absorbing atom
      .0000   -1.8016    1.8016  1  29 Cu
    k   real[2*phc]   mag[feff]  phase[feff] red factor   lambda     real[p]@#
"""
ROW = "  {:.3f}  3.5E+00  3.4E-02 -5.1E+00  9.8E-01  1.5E+01  1.8E+00\n"


def path_file(folder, text):
    file = folder / "feff0001.dat"
    file.write_text(text)
    return file


def chi_of_path(file, k, at):
    """EXAFS of the path in a file, checked against the equation written out."""
    grid = ScatteringGrid.from_paths([read_feff_path(file)])
    channel = Channel(grid.scatterer, (grid,), (1.0,), 0.0, 0.9)
    chi = channel.columns(k, grid.r, **at)[0]
    np.testing.assert_allclose(chi, exafs(grid, k, grid.r, s02=0.9, **at), atol=1e-9)
    return chi[0]


@pytest.mark.parametrize(("name", "at", "expected"), LARCH)
def test_equals_larch(data_dir, name, at, expected):
    found = chi_of_path(data_dir / name, K, at)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_equals_larch_where_it_is_installed(data_dir):
    xafs = pytest.importorskip("larch.xafs")
    k = np.arange(2.5, 18, 0.05)
    for name, at, _ in LARCH:
        path = xafs.feffpath(str(data_dir / name), degen=1, s02=0.9, **at)
        xafs.path2chi(path, k=k)
        found = chi_of_path(data_dir / name, k, at)
        # larch replaces its first point.
        error = np.abs(found - path.chi)[1:].max()
        assert error < 1e-4 * np.abs(path.chi).max()


def test_header_is_read(data_dir):
    path = read_feff_path(data_dir / CU.format(10))
    assert (path.absorber, path.edge, path.scatterers) == ("Cu", "K", ("Cu", "Cu"))
    assert (path.n_legs, path.degeneracy, path.distance) == (3, 24, 5.0957)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k chi\n1 2\n", "lacks the line of dashes"),
        (HEADER, "holds 0 lines .* Run FEFF again"),
        (HEADER + 3 * ROW.format(1.0), "holds 3 lines"),
        (HEADER + 5 * ROW.format(1.0) + " 1.0 oops\n", "line 14: expected 7 numbers"),
        (HEADER.replace("29 Cu       absorbing atom", ""), "line 6: expected an atom"),
        (HEADER.replace("12.000", "dozen"), "line 4: expected 3 numbers"),
    ],
)
def test_damaged_files_are_refused_with_their_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_feff_path(path_file(tmp_path, text))


def test_grid_is_of_one_kind_of_path(data_dir):
    copper, other = read_feff_path(data_dir / CU.format(1)), data_dir / ZNSE
    with pytest.raises(ValueError, match="one kind of path, and Zn-Se and Cu-Cu"):
        ScatteringGrid.from_paths([copper, read_feff_path(other)])


@pytest.mark.parametrize(
    ("file", "absorber", "elements", "edge"),
    [
        ("Cu_K__Cu_ss", "Cu", ["Cu"], "K"),
        ("Ni_K__O_ss", "Ni", ["O", "Ni"], "K"),
        ("ZnSe_zb5.6688_Zn_ss", "Zn", ["Zn", "Se"], "K"),
        ("U_L3__U_ss", "U", ["O", "U"], "L3"),
        ("Y_K_fl5.25__O_ss", "Y", ["O", "Y"], "K"),
    ],
)
def test_potentials_of_a_guessed_cluster_serve(
    data_dir, file, absorber, elements, edge
):
    # The other grids come from the true structures. A shift of the energy zero takes
    # up what is constant in the difference, as it does in every fit.
    z = np.load(data_dir / f"xas/feff_rgrids/{file}.npz")
    symbol = file.split("_")[-2].strip("_")
    true = ScatteringGrid(
        absorber,
        edge,
        symbol,
        *(z[name].astype(float) for name in ("r", "k", "amp", "phase", "lam", "rep")),
    )
    basis = FeffBasis.from_composition(absorber, elements, edge=edge, s02=1.0)
    channel = basis.channels[basis.labels.index(symbol)]
    k, r = np.arange(4, 14, 0.05), 3.0
    expected = exafs(true, k, [r], sigma2=0.006)[0]

    def distance(e0):
        found = channel.columns(k, [r], e0=e0, sigma2=0.006)[0, 0]
        return np.linalg.norm((found - expected) * k**2)

    error = min(distance(e0) for e0 in np.arange(-8, 8.1, 0.5))
    assert error < 0.15 * np.linalg.norm(expected * k**2)

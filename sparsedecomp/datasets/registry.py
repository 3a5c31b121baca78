"""Published data sets: file, hash, licence, source and reader of each.

None is part of the package. Those with a free licence and a public address can be
fetched; the others must be in the data folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..suggestions import did_you_mean
from . import absorption, loaders

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

GITHUB = "https://raw.githubusercontent.com/"
MALSPY = "MotokiShiga/malspy/ac00c29e6d044974afb0785349d21a5657237152/"
ESPM = "adriente/espm/7da4e3e45dbb0079e79fff111af400dc65a1e5a5/"

SHIGA = "M. Shiga et al., Ultramicroscopy 170 (2016) 43"
TEURTRIE = "A. Teurtrie et al., Ultramicroscopy 249 (2023) 113719"
RASTI = "B. Rasti et al., IEEE Trans. Geosci. Remote Sens. 60 (2022), MiSiCNet"
EXSPY_DEMOS = "hyperspy/exspy-demos"
LARCH = "M. Newville, J. Phys. Conf. Ser. 430 (2013) 012007 (xraylarch)"
XDI = "B. Ravel et al., J. Phys. Conf. Ser. 712 (2016) 012148"
FEFF85 = "feff85exafs, materials measured by B. Ravel et al."


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes
    ----------
    title : str
        Sample and technique.
    file : str
        Path inside the data folder.
    sha256 : str
        Hash of the file, in hexadecimal.
    read : callable
        Reader ``read(path, lazy)``, which returns a HyperSpy signal.
    source, licence, citation : str
        Origin of the file, its licence, and the paper to cite.
    url : str or None
        Address of a freely licensed file.
    """

    title: str
    file: str
    sha256: str
    read: Callable[[Path, bool], BaseSignal]
    source: str
    licence: str
    citation: str
    url: str | None = None


DATASETS = {
    "mn3o4": Dataset(
        title="Mn3O4, simulated STEM-EELS of 10-200 eV with Gaussian noise cut at 0",
        file="unmixing/mn3o4_noisy.npz",
        sha256="f0d25ad172f1ce82d4f97b652778daf690f5aaf2cd660c52ec94ac61c61642d0",
        read=loaders.mn3o4,
        source="MotokiShiga/malspy, example/SI_data.npz",
        licence="MIT",
        citation=SHIGA,
        url=GITHUB + MALSPY + "example/SI_data.npz",
    ),
    "mn3o4_clean": Dataset(
        title="Mn3O4, the theoretical STEM-EELS cube without noise, of rank 2",
        file="unmixing/mn3o4_clean.mat",
        sha256="7fcdad9f49e35fe8a8260b8f141cc1d4bd65b11b5069349aebc2f1c91d61893a",
        read=loaders.mn3o4_clean,
        source="MotokiShiga/stem-nmf, matlab/mn3o4_f2.mat",
        licence="MIT",
        citation=SHIGA,
        url=GITHUB + "MotokiShiga/stem-nmf/HEAD/matlab/mn3o4_f2.mat",
    ),
    "edx_mantle_lamella": Dataset(
        title="Lamella of mantle minerals, measured STEM-EDX",
        file="unmixing/edx_mantle_lamella.hspy",
        sha256="7b980791c8b91b523f79904f22ab309c9e46762342e6b917a3913f1311139598",
        read=loaders.hyperspy_file,
        source="adriente/espm, generated_datasets/88_ES-LP_G8_selection2_cropped2.hspy",
        licence="GPL-3.0 or MIT (the repository names both)",
        citation=TEURTRIE,
        url=GITHUB + ESPM + "generated_datasets/88_ES-LP_G8_selection2_cropped2.hspy",
    ),
    "edx_particles_espm": Dataset(
        title="Particles in a matrix, STEM-EDX simulated with espm; exact truth",
        file="unmixing/edx_particles.npz",
        sha256="cffe05855b6de482a137210214d6d683af99e2a2f990f13f45eecdf7c5e1f969",
        read=loaders.edx_particles_espm,
        source="made with espm 1.1.3 (N=500, seed 91)",
        licence="made for this project; espm is GPL-3.0",
        citation=TEURTRIE,
    ),
    "samson": Dataset(
        title="Samson, a remote-sensing scene of soil, trees and water, with truth",
        file="unmixing/samson.npz",
        sha256="2798b95f187a94711b0a6431a9986974b518216ba7063b5ff61aabd1ecda0ca2",
        read=loaders.samson,
        source="SUNNING demonstration repository; truth by F. Zhu",
        licence="not stated; not redistributable",
        citation="F. Zhu et al., ISPRS J. Photogramm. 88 (2014) 101",
    ),
    "sim1": Dataset(
        title="Sim1, six USGS minerals without pure pixels, noise-free, exact truth",
        file="unmixing/sim1_clean.npz",
        sha256="6213745be56c629785db638228d011ee3235c25f9b6f42e81167859949ea88be",
        read=loaders.minerals,
        source="BehnoodRasti/MiSiCNet, HS Data/Sim1 (converted)",
        licence="Apache-2.0",
        citation=RASTI,
    ),
    "sim2": Dataset(
        title="Sim2, six USGS minerals without pure pixels, noise-free, exact truth",
        file="unmixing/sim2_clean.npz",
        sha256="9d299202d620cd5886b044b2c0167fc8537b46e061cd51a54968bf46244ffd14",
        read=loaders.minerals,
        source="BehnoodRasti/MiSiCNet, HS Data/Sim2 (converted)",
        licence="Apache-2.0",
        citation=RASTI,
    ),
    "phantom_edx": Dataset(
        title="Phantom fitted to the mantle lamella, piecewise smooth; exact truth",
        file="unmixing/phantom_edx_truth.npz",
        sha256="d482f9deba5745cd6024b13cc805aea687e749c198c5968c0e0633e7bfbe646f",
        read=loaders.phantom,
        source="fitted to edx_mantle_lamella",
        licence="derived from edx_mantle_lamella",
        citation=TEURTRIE,
    ),
    "phantom_lattice": Dataset(
        title="Phantom of atomic columns, spectra of the mantle lamella; exact truth",
        file="unmixing/phantom_lattice_truth.npz",
        sha256="5a2b48d62ff9d7867cf166da9146e33455b016c398b2c50d8ad0298eef129fe3",
        read=loaders.phantom,
        source="generated, spectra fitted to edx_mantle_lamella",
        licence="derived from edx_mantle_lamella",
        citation=TEURTRIE,
    ),
    "lsmo_sto_linescan": Dataset(
        title="(La,Sr)MnO3 on SrTiO3, measured core-loss EELS line scan",
        file="unmixing/LSMO_STO_linescan.hspy",
        sha256="f528d1e18c095a94f6dd74a2f446496f3636b17f698dbc4e61e8aa0315f3fa71",
        read=loaders.hyperspy_file,
        source=EXSPY_DEMOS,
        licence="not stated; not redistributable",
        citation=EXSPY_DEMOS,
    ),
    "lsmo_sto_low_loss": Dataset(
        title="(La,Sr)MnO3 on SrTiO3, low losses of the same line scan",
        file="unmixing/LSMO_STO_linescan_low_loss.hspy",
        sha256="ce544706147072fae55a12a0d74973124d8cb116fddd0556adb7ad0e275d1d71",
        read=loaders.hyperspy_file,
        source=EXSPY_DEMOS,
        licence="not stated; not redistributable",
        citation=EXSPY_DEMOS,
    ),
    "amino_acids": Dataset(
        title="Amino acids in five samples, measured fluorescence, known contents",
        file="tensor/amino_eem.npz",
        sha256="7b42a4843353e1ff5432c20638cea724a09956a6e71983233f338ce1207bb9de",
        read=loaders.amino_acids,
        source="measured by C. A. Andersson (converted)",
        licence="GPL-3.0 copies",
        citation="R. Bro, Chemom. Intell. Lab. Syst. 38 (1997) 149",
    ),
    "kinetic_fluorescence": Dataset(
        title="Four-way fluorescence of a reaction in 64 samples, with gaps",
        file="tensor/kinetic_x60t.npz",
        sha256="9b67308b50673f78a2293ba2f6d1522a0a52279050bc1e15c52f5d1d0fe147fa",
        read=loaders.kinetic,
        source="tensorly data (converted)",
        licence="BSD-3-Clause package; data licence not stated",
        citation="R. Nikolajsen et al., Anal. Chim. Acta 475 (2003) 137",
    ),
    "cuzn_eels": Dataset(
        title="CuZn, measured core-loss EELS map",
        file="fusion/CuZn_EELS_mapping_tutorial.hspy",
        sha256="0405fc47a562ec5edad67576ab5c39331fa904b800026c03c897d23345a67c07",
        read=loaders.cuzn_eels,
        source=EXSPY_DEMOS,
        licence="not stated; not redistributable",
        citation=EXSPY_DEMOS,
    ),
    "cuzn_haadf": Dataset(
        title="Dark-field image recorded with cuzn_eels",
        file="fusion/CuZn_HAADF.hspy",
        sha256="1b4ad7125c1be0a9c5ad1666950e2ecd95ea17b07405591a4da1623eb26ccbce",
        read=loaders.hyperspy_file,
        source=EXSPY_DEMOS,
        licence="not stated; not redistributable",
        citation=EXSPY_DEMOS,
    ),
    "cu_foil_10k": Dataset(
        title="Copper foil at 10 K, measured mu(E) of the K edge",
        file="xas/cu_10k.xmu",
        sha256="28ed126f691659997a6894e55e016cce0626ce1d6db58ef4604fe1bad1a2e10a",
        read=loaders.hyperspy_file,
        source="xraylarch examples, measured at NSLS X11A",
        licence="MIT",
        citation=LARCH,
    ),
    "co_foil": Dataset(
        title="Cobalt foil, measured mu(E) of the K edge",
        file="xas/XDI/co_metal_rt.xdi",
        sha256="0a719bd2b0b8db733611b75ebf79288c4d9e2fee9ff5d7d60d3d5de11d890aa8",
        read=loaders.hyperspy_file,
        source="XAS-Data-Interchange, data",
        licence="public domain",
        citation=XDI,
    ),
    "fe2o3": Dataset(
        title="Fe2O3, measured mu(E) of the iron K edge",
        file="xas/XDI/fe2o3_rt.xdi",
        sha256="4a1c4cec3e00d62734406a872d8a114ebd7d7c1b66050a61ec4017b03abd2a5a",
        read=loaders.hyperspy_file,
        source="XAS-Data-Interchange, data",
        licence="public domain",
        citation=XDI,
    ),
    "znse": Dataset(
        title="ZnSe, measured mu(E) of the zinc K edge",
        file="xas/XDI/zn_znse_rt.xdi",
        sha256="536931b166ce0e6f905fb839c54e3a9ea73e2ddfa3a0d726bd7ad887cda2a0d5",
        read=loaders.hyperspy_file,
        source="XAS-Data-Interchange, data",
        licence="public domain",
        citation=XDI,
    ),
    "nio_chi": Dataset(
        title="NiO, measured chi(k) of the nickel K edge, mean of eleven scans",
        file="xas/NiO.chik",
        sha256="c90c0dac63331f9e276733bd4c31360b5c188b2d5d92c0401bb14f86fbd97d3f",
        read=loaders.hyperspy_file,
        source="feff85exafs, tests/NiO",
        licence="BSD-like",
        citation=FEFF85,
    ),
    "nio_scans": Dataset(
        title="NiO, ten measured scans of mu(E) of the nickel K edge",
        file="xas/NiO.prj",
        sha256="b9cc332f65dcaaf78fc3ea8b578de9d4e7fd8d610aa948d87cee5a862f20993a",
        read=absorption.nio_scans,
        source="feff85exafs, tests/NiO",
        licence="BSD-like",
        citation=FEFF85,
    ),
    "nickel_and_oxide": Dataset(
        title="Nickel foil and NiO, measured mu(E) of the K edge, merged scans",
        file="xas/NiO.prj",
        sha256="b9cc332f65dcaaf78fc3ea8b578de9d4e7fd8d610aa948d87cee5a862f20993a",
        read=absorption.nickel_and_oxide,
        source="feff85exafs, tests/NiO",
        licence="BSD-like",
        citation=FEFF85,
    ),
    "uo2": Dataset(
        title="UO2, measured mu(E) of the uranium L3 edge at 77 K",
        file="xas/UO2.prj",
        sha256="c9a5d57f37a7100ba3496727acf0294d14020d02dce491ce80f469f15e33933f",
        read=absorption.uo2,
        source="feff85exafs, tests/UO2",
        licence="BSD-like",
        citation=FEFF85,
    ),
    "uo2_chi": Dataset(
        title="UO2, measured chi(k) of the uranium L3 edge; its first distance is 2.27",
        file="xas/UO2.chik",
        sha256="a620cdb5557ed2dc753d1765323cd84720aa18f59eb1507cb7598eac9238a1cf",
        read=loaders.hyperspy_file,
        source="feff85exafs, tests/UO2",
        licence="BSD-like",
        citation=FEFF85,
    ),
    "fe2p_plume": Dataset(
        title="Iron L edge of a plume particle, measured STXM stack",
        file="xas/stxm/fe2p_plume.h5",
        sha256="8fba4db2946c94905408307b69820652180cf2658ecb6085aaf01eac06d23dad",
        read=absorption.fe2p_plume,
        source="stetef/nano-XANES-microscopy-of-Fe (converted)",
        licence="MIT",
        citation="S. Tetef et al., nano-XANES microscopy of Fe; ALS 11.0.2.2",
    ),
}


def names() -> list[str]:
    """Names that `load` accepts.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> "mn3o4" in datasets.names()
    True
    """
    return sorted(DATASETS)


def find(name: str) -> Dataset:
    """Entry of a data set.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    """
    if name in DATASETS:
        return DATASETS[name]
    raise ValueError(
        f"There is no data set {name!r}.{did_you_mean(name, DATASETS)} "
        f"Known: {', '.join(names())}."
    )


def describe(name: str) -> str:
    """Describe a data set, its source and its licence.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    str
        Title, source, licence and citation, one in each line.

    Raises
    ------
    ValueError
        If there is no data set of that name.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> print(datasets.describe("mn3o4"))
    mn3o4: Mn3O4, simulated STEM-EELS of 10-200 eV with Gaussian noise cut at 0
    source: MotokiShiga/malspy, example/SI_data.npz
    licence: MIT
    please cite: M. Shiga et al., Ultramicroscopy 170 (2016) 43
    """
    entry = find(name)
    return (
        f"{name}: {entry.title}\n"
        f"source: {entry.source}\n"
        f"licence: {entry.licence}\n"
        f"please cite: {entry.citation}"
    )

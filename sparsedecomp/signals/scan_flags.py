"""Warnings about a scan and about a basis that is not of its edge."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from hyperspy.signals import Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.xas.reduction.scan_checks import OFF_TABLE, edges_near

if TYPE_CHECKING:
    from sparsedecomp.xas import FeffBasis, Normalisation

ELEMENT = "Acquisition_instrument.XAS.Element"

SELF_ABSORPTION = (
    "The spectrum was measured in fluorescence: in thick, concentrated samples "
    "self-absorption reduces EXAFS, and numbers of atoms are too small by up to a "
    "factor of three. They hold for thin or dilute samples only."
)
"""Message about numbers of atoms from fluorescence."""


def element_and_edge(signal: Signal1D) -> tuple[str | None, str | None]:
    """Symbol of the absorber and name of the edge in the metadata, if they are there.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Spectrum of X-ray absorption or EXAFS.

    Returns
    -------
    tuple of two str or None
        Element and edge.
    """
    item = signal.metadata.get_item
    symbol, edge = item(f"{ELEMENT}.symbol"), item(f"{ELEMENT}.edge")
    return symbol or None, edge or None


def scan_flags(
    signal: Signal1D,
    energy: np.ndarray,
    e0: float,
    normalisation: Normalisation | None = None,
    mean: np.ndarray | None = None,
) -> list[str]:
    """What `sparsedecomp.xas.check_scan` finds in the mean of all pixels.

    Parameters
    ----------
    signal : XASSpectrum
        Spectra mu(E).
    energy : (n_E,) array
        Photon energies in eV.
    e0 : float
        Threshold in eV.
    normalisation : Normalisation, optional
        Ranges in use.
    mean : (n_E,) array, optional
        Mean spectrum, if it is known; otherwise the data are read.

    Returns
    -------
    list of str
        Messages.
    """
    mean = pixelwise.mean_spectrum(signal) if mean is None else mean
    if not np.isfinite(mean).all():
        return []
    symbol, edge = element_and_edge(signal)
    flags = xas.check_scan(
        energy, mean, e0, element=symbol, edge=edge, normalisation=normalisation
    )
    return [flag.message for flag in flags]


def warn_of(messages: list[str], stacklevel: int = 3) -> None:
    """Warn once of all messages, if there are any."""
    if messages:
        warnings.warn("\n".join(messages), stacklevel=stacklevel + 1)


def check_basis(signal: Signal1D, basis: Any) -> list[str]:
    """Compare absorber and edge of a basis with those of the spectrum.

    Parameters
    ----------
    signal : EXAFSSpectrum
        EXAFS with the metadata of its scan.
    basis : FeffBasis or another basis
        Basis; only a `FeffBasis` knows its absorber.

    Returns
    -------
    list of str
        Messages where the threshold is not that of the basis, or the spectrum was
        measured in fluorescence.

    Raises
    ------
    ValueError
        If the metadata name another element or edge than the basis.
    """
    channels = getattr(basis, "channels", ())
    if not channels:
        return []
    basis: FeffBasis  # type: ignore[no-redef]
    absorber, edge = basis.absorber, basis.edge
    symbol, measured = element_and_edge(signal)
    wrong_element = symbol is not None and symbol.capitalize() != absorber
    wrong_edge = bool(edge and measured and edge.upper() != measured.upper())
    if wrong_element or (symbol is not None and wrong_edge):
        raise ValueError(
            f"The basis is of {absorber} {edge}, and the spectrum of {symbol} "
            f"{measured or ''}: make the basis of {symbol}, or correct "
            f"metadata.{ELEMENT} if that is wrong."
        )
    fluorescence = signal.metadata.get_item("XAS.mode") == "fluorescence"
    messages = [SELF_ABSORPTION] if fluorescence else []
    e0 = signal.metadata.get_item("XAS.e0")
    if e0 is None or not edge:
        return messages
    try:
        tabulated = xas.edge_energy(absorber, edge)
    except ValueError:
        return messages
    if abs(e0 - tabulated) <= OFF_TABLE:
        return messages
    others = ", ".join(edges_near(e0)[:3])
    return [
        *messages,
        f"The basis is of the {absorber} {edge} edge at {tabulated:g} eV, the "
        f"threshold of the spectrum is {e0:g} eV"
        + (f", near {others}" if others else "")
        + ": distances and numbers of atoms hold only for a basis of the element "
        "that was measured.",
    ]

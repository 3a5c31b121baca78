"""Methods of `XASSpectrum` that explain spectra by reference spectra."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from hyperspy.signals import Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.mixture_result import MixtureResult
from sparsedecomp.signals.target_transform_result import TargetTransformResult

if TYPE_CHECKING:
    from sparsedecomp.signals.xas import XASSpectrum

FITTED = (-20.0, 30.0)
"""Default range of a fit in eV relative to E0, which is that of Athena."""

QUANTITIES = ("norm", "flat", "mu", "derivative")

COARSE = 16
"""Largest number of pixels along an axis of the image that sets of references are
ranked on: means over parts of the image, which keep what is rare in all of it."""

SIMILAR = 100.0
"""Condition number of the references from which a fit warns that they are similar."""


class Mixtures(Signal1D):
    """Mixin of `sparsedecomp.signals.XASSpectrum`: spectra as mixtures of others."""

    def linear_combination(
        self,
        references: Mapping[str, XASSpectrum] | Sequence[XASSpectrum],
        limits: tuple[float, float] | None = None,
        sum_to_one: bool = True,
        nonnegative: bool = True,
        max_shift: float = 0.0,
        quantity: str = "norm",
        max_references: int | None = None,
    ) -> MixtureResult:
        """Fit every pixel by a linear combination of reference spectra.

        Parameters
        ----------
        references : dict of str to XASSpectrum, or list of XASSpectrum
            Reference spectra of the same edge, one spectrum each, on any energies.
            Without names their titles are taken.
        limits : tuple of two floats, optional
            Range of energies in eV that is fitted; by default from 20 eV before to
            30 eV after E0.
        sum_to_one : bool, default True
            Whether the fractions of a pixel add up to one.
        nonnegative : bool, default True
            Whether fractions below zero are excluded.
        max_shift : float, default 0
            Largest energy shift in eV between a pixel and the references, which is
            fitted, too; zero fits none.
        quantity : {"norm", "flat", "mu", "derivative"}, default "norm"
            What is fitted: normalised spectra, flattened ones, spectra as they are,
            or the derivative of normalised ones. Spectra that are normalised already
            are taken as they are.
        max_references : int, optional
            Largest number of references in a pixel. All sets of up to so many
            references are ranked by their evidence, and the most probable one is
            fitted. By default all references are fitted.

        Returns
        -------
        MixtureResult
            Fractions with errors, shifts, R factors and residuals; lazy maps if the
            signal is lazy.

        Raises
        ------
        ValueError
            If a reference is not one spectrum, is of another edge, does not cover the
            range or holds NaN; if references are linearly dependent, or there are not
            more energies than unknowns.

        See Also
        --------
        sparsedecomp.xas.LinearCombination, sparsedecomp.xas.rank_references

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = [np.arctan((energy - e) / 2) + 2 for e in (8979, 8984)]
        >>> metal, oxide, both = (
        ...     XASSpectrum.from_counts(np.ones(900), np.exp(-m), energy=energy)
        ...     for m in (*mu, 0.25 * mu[0] + 0.75 * mu[1])
        ... )
        >>> result = both.linear_combination({"metal": metal, "oxide": oxide})
        >>> round(result.fraction("oxide"), 2)
        0.75
        """
        _check_quantity(quantity)
        named = _named(self, references)
        data = _prepared(self, quantity)
        spectra = [_prepared(reference, quantity) for reference in named.values()]
        limits = limits or self._default_range(data)
        options = {
            "limits": limits,
            "sum_to_one": sum_to_one,
            "nonnegative": nonnegative,
            "max_shift": max_shift,
        }
        energy = data._energy()
        pairs = {
            name: (spectrum._energy(), np.asarray(spectrum.data))
            for name, spectrum in zip(named, spectra, strict=True)
        }
        ranking: list[xas.RankedSet] = []
        if max_references is not None:
            library = xas.LinearCombination(
                energy, list(pairs.values()), names=list(pairs), **options
            )
            coarse = _coarse(data)
            ranking = xas.rank_references(library, coarse, max_references)
            pairs = {name: pairs[name] for name in ranking[0].names}
        fit = xas.LinearCombination(
            energy, list(pairs.values()), names=list(pairs), **options
        )
        if fit.condition > SIMILAR:
            warnings.warn(
                f"The references are similar (condition number {fit.condition:.0f}): "
                "their fractions have large errors. Leave some out, or give "
                "max_references.",
                stacklevel=2,
            )
        return MixtureResult(data, fit, ranking)

    def target_transform(
        self,
        references: Mapping[str, XASSpectrum] | Sequence[XASSpectrum],
        n_components: int | None = None,
        limits: tuple[float, float] | None = None,
        quantity: str = "norm",
    ) -> TargetTransformResult:
        """Test which references are components of a series or an image.

        The principal components of all pixels span the spectra of their components. A
        reference that they describe but for noise may be one of them.

        Parameters
        ----------
        references : dict of str to XASSpectrum, or list of XASSpectrum
            Reference spectra of the same edge, as in `linear_combination`.
        n_components : int, optional
            Number of principal components; by default that of the smallest indicator
            IND of Malinowski.
        limits : tuple of two floats, optional
            Range of energies in eV; by default from 20 eV before to 30 eV after E0.
        quantity : {"norm", "flat", "mu", "derivative"}, default "norm"
            What is decomposed, as in `linear_combination`.

        Returns
        -------
        TargetTransformResult
            Components, indicator, and for every reference its target transform, R
            factor, SPOIL and reduced chi-square.

        Raises
        ------
        ValueError
            If there are fewer than three spectra, or as in `linear_combination`.

        See Also
        --------
        sparsedecomp.xas.principal_components, sparsedecomp.xas.target_test

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> e0 = np.array([[8979], [8984], [8990]])
        >>> pure = np.arctan((energy - e0) / 2) + 2
        >>> metal, oxide, other = (
        ...     XASSpectrum.from_counts(np.ones(900), np.exp(-m), energy=energy)
        ...     for m in pure
        ... )
        >>> rng = np.random.default_rng(0)
        >>> mu = rng.dirichlet([1, 1], 30) @ pure[:2] + rng.normal(0, 0.01, (30, 900))
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> result = s.target_transform({"metal": metal, "oxide": oxide, "x": other})
        >>> [name for name in result.names if result.tests[name].spoil < 6]
        ['metal', 'oxide']
        """
        _check_quantity(quantity)
        named = _named(self, references)
        data = _prepared(self, quantity)
        low, high = limits or self._default_range(data)
        energy = data._energy()
        inside = (energy >= low) & (energy <= high)
        spectra = _summed_products(data, inside)
        found = xas.principal_components(*spectra, n_components)
        targets = {}
        for name, reference in named.items():
            spectrum = _prepared(reference, quantity)
            one = xas.LinearCombination(
                energy,
                [(spectrum._energy(), np.asarray(spectrum.data))],
                limits=(energy[inside][0], energy[inside][-1]),
                names=[name],
            )
            targets[name] = one.columns[:, 0]
        return TargetTransformResult(energy[inside], found, targets)

    def _default_range(self, data: XASSpectrum) -> tuple[float, float]:
        e0 = data.metadata.get_item("XAS.e0")
        if not isinstance(e0, (int, float)):
            e0 = self.find_e0()
        return e0 + FITTED[0], e0 + FITTED[1]


def _check_quantity(quantity: str) -> None:
    if quantity not in QUANTITIES:
        raise ValueError(
            f"quantity={quantity!r}: choose one of {', '.join(QUANTITIES)}."
        )


def _named(
    signal: XASSpectrum,
    references: Mapping[str, XASSpectrum] | Sequence[XASSpectrum],
) -> dict[str, XASSpectrum]:
    """Checked references by their names, or by their titles."""
    if hasattr(references, "axes_manager"):
        raise ValueError(
            "references is a signal: give a list of spectra, or a dict with names."
        )
    named: dict[str, XASSpectrum] = {}
    if isinstance(references, Mapping):
        named = {str(name): spectrum for name, spectrum in references.items()}
    else:
        for number, reference in enumerate(references, start=1):
            general = getattr(getattr(reference, "metadata", None), "General", None)
            title = getattr(general, "title", "") or f"reference {number}"
            named[title if title not in named else f"{title} ({number})"] = reference
    for name, reference in named.items():
        _check_reference(signal, name, reference)
    return named


def _check_reference(signal: XASSpectrum, name: str, reference: XASSpectrum) -> None:
    from sparsedecomp.signals.xas import ELEMENT, XASSpectrum

    if not isinstance(reference, XASSpectrum):
        raise ValueError(
            f"{name} is a {type(reference).__name__}, expected a signal of type XAS: "
            "use set_signal_type('XAS')."
        )
    if reference.data.ndim != 1:
        shape = reference.data.shape
        raise ValueError(
            f"{name} has the shape {shape}: a reference is one spectrum, such as the "
            "mean of its pixels."
        )
    for key in ("symbol", "edge"):
        ours, theirs = (
            each.metadata.get_item(f"{ELEMENT}.{key}") for each in (signal, reference)
        )
        if ours and theirs and ours != theirs:
            raise ValueError(
                f"{name} is a spectrum of {theirs}, but the signal one of {ours}: give "
                "references of the same edge."
            )


def _prepared(signal: XASSpectrum, quantity: str) -> XASSpectrum:
    """Signal of the quantity that is fitted."""
    if quantity == "mu":
        return signal
    found = signal
    if not signal.metadata.get_item("XAS.normalized"):
        found = signal.normalize(flatten=quantity == "flat")
    if quantity == "derivative":
        energy = found._energy()
        data = pixelwise.spectra_of(
            found, lambda mu: np.gradient(mu, energy, axis=-1), len(energy)
        )
        found = found._like(data, {})
        found.metadata.set_item("Signal.quantity", "Derivative (1/eV)")
    return found


def _coarse(signal: XASSpectrum) -> np.ndarray:
    """Mean spectra of at most `COARSE` parts of the image along each axis."""
    data = signal._data_aligned_with_axes
    if data.ndim == 1:
        return np.asarray(data)
    sizes = [math.ceil(size / COARSE) for size in data.shape[:-1]]
    parts = [
        tuple(min(step, size - start) for start in range(0, size, step))
        for size, step in zip(data.shape[:-1], sizes, strict=True)
    ]
    data = da.asarray(data).rechunk((*parts, (data.shape[-1],)))
    pixels = tuple(range(data.ndim - 1))

    def mean(block: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            # Parts without any spectrum stay NaN, and are left out.
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanmean(block.astype(float), axis=pixels, keepdims=True)

    ones = tuple((1,) * len(part) for part in parts)
    return data.map_blocks(
        mean,
        chunks=(*ones, (data.shape[-1],)),
        dtype=float,
        meta=np.empty((0,) * data.ndim),
    ).compute()


def _summed_products(signal: XASSpectrum, inside: np.ndarray) -> tuple[np.ndarray, int]:
    """Sum of ``outer(x, x)`` over all spectra x without NaN, and their number."""
    data = signal._data_aligned_with_axes
    n = int(inside.sum())

    def products(block: np.ndarray) -> np.ndarray:
        rows = block.reshape(-1, block.shape[-1])[:, inside].astype(float)
        rows = rows[np.isfinite(rows).all(axis=-1)]
        packed = np.append((rows.T @ rows).ravel(), len(rows))
        return packed.reshape((1,) * (block.ndim - 1) + (-1,))

    if signal._lazy:
        data = data.rechunk({-1: -1})
        ones = tuple((1,) * len(sizes) for sizes in data.chunks[:-1])
        sums = data.map_blocks(
            products,
            chunks=(*ones, (n * n + 1,)),
            dtype=float,
            meta=np.empty((0,) * data.ndim),
        ).sum(axis=tuple(range(data.ndim - 1)))
        packed = np.asarray(sums)
    else:
        packed = products(np.asarray(data)).ravel()
    return packed[:-1].reshape(n, n), int(packed[-1])

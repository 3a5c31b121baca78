"""One scene of ``trust`` or ``bands``, in a process of its own."""

import time
import warnings

import numpy as np

from benchmarks.trust_scenes import make_scene


def fit_scene(kind, seed, blind, given):
    """Decompose a scene without and with its number of components.

    Parameters
    ----------
    kind : str
        One of `benchmarks.trust_scenes.KINDS`.
    seed : int
        Seed of the scene.
    blind : list of str
        Algorithms of `decomposition`, which are told nothing.
    given : list of str
        Names of estimators, which are told the number.

    Returns
    -------
    dict
        "rows", one for each method.
    """
    scene = make_scene(kind, seed)
    rows = [_blind(scene, name) for name in blind]
    counts = scene.cube.min() >= 0 and np.all(scene.cube == np.round(scene.cube))
    for name in given:
        if counts or name != "PoissonNMF":
            rows.append(_given(scene, name))
    return {"rows": rows}


def _blind(scene, name):
    import hyperspy.api as hs

    from sparsedecomp.decomposition import DoubtfulResultWarning
    from sparsedecomp.decomposition.simplex_likelihood.rivals import (
        UndeterminedWarning,
    )

    signal = hs.signals.Signal1D(scene.cube)
    before = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.decomposition(
            algorithm=name, random_state=0, print_info=False, show_progressbar=False
        )
    seconds = time.perf_counter() - before[0]
    doubts = [
        str(each.message)
        for each in caught
        if issubclass(each.category, DoubtfulResultWarning | UndeterminedWarning)
    ]
    factors = signal.learning_results.factors.T
    return {
        "method": name,
        "components": len(factors),
        "right_number": len(factors) == len(scene.spectra),
        "worst_angle": _worst_angle(scene, factors),
        "flagged": bool(doubts),
        "doubts": doubts,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - before[1],
    }


def _given(scene, name):
    import sparsedecomp

    X = scene.cube.reshape(-1, scene.cube.shape[-1])
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Negative noise stops the methods that are non-negative throughout.
        if name in ("NMFSO", "PoissonNMF"):
            X = np.maximum(X, 0)
        model = getattr(sparsedecomp, name)(len(scene.spectra), random_state=0).fit(X)
    return {
        "method": f"{name}, number given",
        "given": True,
        "worst_angle": _worst_angle(scene, model.components_),
        "seconds": time.perf_counter() - began,
    }


def cover_scene(kind, seed):
    """Compute the bands of a fit that is told the number of components.

    Parameters
    ----------
    kind : str
        One of `benchmarks.trust_scenes.KINDS`.
    seed : int
        Seed of the scene.

    Returns
    -------
    dict
    """
    from sparsedecomp.decomposition import SimplexML, confidence_bands
    from sparsedecomp.metrics import match_components

    scene = make_scene(kind, seed)
    k = len(scene.spectra)
    X = scene.cube.reshape(-1, scene.cube.shape[-1])
    spectra = scene.spectra / scene.spectra.sum(axis=1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        model = SimplexML(k, random_state=0).fit(X)
        fitted = time.perf_counter()
        order = match_components(spectra, model.components_)[1]
        bands = confidence_bands(X, model.components_[order], random_state=0)
        ended = time.perf_counter()
    noise = 1.645 * bands.spectra_deviation.noise
    return {
        "worst_angle": _worst_angle(scene, model.components_),
        "covered": _covered(bands.of_spectra(), spectra),
        "maps_covered": _covered(bands.of_maps(), scene.maps.reshape(-1, k)),
        "noise_covered": float(np.mean(np.abs(bands.spectra - spectra) <= noise)),
        "fit_seconds": fitted - began,
        "seconds": ended - fitted,
    }


def _covered(band, truth):
    low, high = band
    return float(np.mean((low <= truth) & (truth <= high)))


def _worst_angle(scene, spectra):
    """Largest angle between true spectra and found ones that are matched."""
    from sparsedecomp.metrics import match_components

    # A spectrum of zeros, as a lost component may be, has no angle.
    angles = np.nan_to_num(match_components(scene.spectra, spectra)[2], nan=90.0)
    return float(angles.max())

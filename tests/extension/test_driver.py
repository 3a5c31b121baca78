"""The decomposition driver: eager and lazy alike, masks, scaling, what is stored."""

import functools
import itertools
import logging

import dask.array as da
import hyperspy.api as hs
import numpy as np
import pytest
import tqdm

import sparsedecomp
from sparsedecomp.extension import algorithms

from .conftest import CHANNELS, LAYOUTS, NAVIGATION

# Many tests compare fits that are not finished, to be quick.
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")

MASKS = ("none", "navigation", "signal", "both")
REPROJECTIONS = (None, "navigation", "signal", "both")


def given(masks, which):
    """Mask arguments in HyperSpy's display order (x before y)."""
    navigation, channels = masks
    chosen = {"navigation_mask": navigation.T, "signal_mask": channels}
    return {
        name: mask
        for name, mask in chosen.items()
        if which == "both" or name == f"{which}_mask"
    }


def lazily(signal, layout):
    lazy = signal.as_lazy()
    lazy.data = da.from_array(signal.data, chunks=LAYOUTS[layout])
    return lazy


@pytest.fixture(scope="module")
def eager_results():
    """Results of eager runs, kept for the chunk layouts that are compared with them."""
    return {}


# Tiles cut both navigation axes: every combination is tried on them. The other layouts
# try the simplest and the fullest one.
CASES = [
    (layout, *case)
    for layout in LAYOUTS
    for case in itertools.product(MASKS, REPROJECTIONS, (False, True))
    if layout == "tiles" or case[:2] in (("none", None), ("both", "both"))
]


@pytest.mark.parametrize("layout, which, reproject, poisson", CASES)
def test_lazy_equals_eager(
    signal, masks, decompose, eager_results, layout, which, reproject, poisson
):
    run = functools.partial(
        decompose,
        normalize_poissonian_noise=poisson,
        reproject=reproject,
        max_iter=20,
        **given(masks, which),
    )
    case = (which, reproject, poisson)
    if case not in eager_results:
        eager_results[case] = run(signal)
    eager = eager_results[case]
    lazy = run(lazily(signal, layout))
    for name in ("loadings", "factors", "explained_variance", "objective_history"):
        ours, theirs = getattr(lazy, name), getattr(eager, name)
        assert isinstance(ours, np.ndarray)
        largest = np.nanmax(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * largest)
    for name in ("navigation_mask", "signal_mask"):
        np.testing.assert_array_equal(getattr(lazy, name), getattr(eager, name))


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("reproject", REPROJECTIONS)
def test_masked_places_are_nan_unless_reprojected(
    signal, masks, decompose, reproject, poisson
):
    results = decompose(
        signal,
        reproject=reproject,
        normalize_poissonian_noise=poisson,
        **given(masks, "both"),
    )
    navigation, channels = masks
    pixels = np.isnan(results.loadings).reshape(*NAVIGATION, 3)
    energies = np.isnan(results.factors)
    hidden = reproject not in ("navigation", "both")
    assert (pixels == (navigation[..., None] & hidden)).all()
    hidden = reproject not in ("signal", "both")
    assert (energies == (channels[:, None] & hidden)).all()
    np.testing.assert_array_equal(results.navigation_mask, navigation)
    np.testing.assert_array_equal(results.signal_mask, channels)


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_reprojection_leaves_what_was_fitted(
    signal, masks, decompose, algorithm, poisson
):
    kwargs = {"normalize_poissonian_noise": poisson, **given(masks, "both")}
    fitted = decompose(signal.deepcopy(), algorithm, **kwargs)
    found = decompose(signal, algorithm, reproject="both", **kwargs)
    navigation, channels = masks
    kept = ~navigation.ravel()
    np.testing.assert_array_equal(found.loadings[kept], fitted.loadings[kept])
    np.testing.assert_array_equal(found.factors[~channels], fitted.factors[~channels])


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_a_masked_pixel_gets_what_it_would_have_in_the_fit(
    signal, decompose, algorithm, poisson
):
    """A masked copy of a pixel of the fit."""
    signal.data[5, 7] = signal.data[0, 1]
    mask = np.zeros(NAVIGATION, bool)
    mask[5, 7] = True
    loadings = decompose(
        signal,
        algorithm,
        normalize_poissonian_noise=poisson,
        navigation_mask=mask.T,
        reproject="navigation",
    ).loadings.reshape(*NAVIGATION, -1)
    np.testing.assert_allclose(
        loadings[5, 7], loadings[0, 1], rtol=1e-3, atol=1e-3 * loadings.max()
    )


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_reprojection_explains_what_was_masked(mixture, masks, lazy, poisson):
    """Without noise, the model is the data in the masked places too."""
    cube = mixture(NAVIGATION, CHANNELS, k=3, noise=0.0, dtype=np.float64)[2]
    cube *= np.linspace(1, 20, NAVIGATION[1])[:, None]
    signal = hs.signals.Signal1D(cube)
    signal = lazily(signal, "tiles") if lazy else signal
    signal.decomposition(
        poisson,
        "nmf_so",
        3,
        reproject="both",
        orthogonality=0.0,
        max_iter=2000,
        tol=1e-10,
        random_state=0,
        print_info=False,
        show_progressbar=False,
        **given(masks, "both"),
    )
    model = np.asarray(signal.get_decomposition_model().data)
    error = np.abs(model - cube).max(axis=-1) / cube.max(axis=-1)
    assert error.max() < 0.02


@pytest.mark.parametrize("kind", ["numpy", "integers", "dask", "signal", "lazy signal"])
def test_masks_of_every_kind_mean_the_same(signal, masks, decompose, kind):
    expected = decompose(signal.deepcopy(), max_iter=5, **given(masks, "both"))

    def converted(mask, space):
        if kind == "numpy":
            return mask.T
        if kind == "integers":
            return mask.T.astype(int)
        if kind == "dask":
            return da.from_array(mask.T)
        found = getattr(signal, f"_get_{space}_signal")(dtype=bool)
        found.data[:] = mask
        found = found.T if space == "navigation" else found
        return found.as_lazy() if kind == "lazy signal" else found

    navigation, channels = masks
    found = decompose(
        signal,
        max_iter=5,
        navigation_mask=converted(navigation, "navigation"),
        signal_mask=converted(channels, "signal"),
    )
    np.testing.assert_array_equal(found.loadings, expected.loadings)
    np.testing.assert_array_equal(found.factors, expected.factors)


def test_masks_mean_what_they_mean_for_hyperspy(signal, masks, decompose):
    mine = decompose(signal, max_iter=5, **given(masks, "both"))
    mine = np.isnan(mine.loadings), np.isnan(mine.factors)
    signal.decomposition(output_dimension=3, print_info=False, **given(masks, "both"))
    theirs = signal.learning_results
    np.testing.assert_array_equal(mine[0], np.isnan(theirs.loadings))
    np.testing.assert_array_equal(mine[1], np.isnan(theirs.factors))
    # HyperSpy stores it flat for eager and in its shape for lazy signals.
    np.testing.assert_array_equal(theirs.navigation_mask.reshape(6, 8), masks[0])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("poisson", [False, True])
def test_data_and_shape_of_the_signal_are_untouched(
    signal, masks, decompose, lazy, poisson
):
    signal = lazily(signal, "tiles") if lazy else signal
    data, before = signal.data, np.array(signal.data)
    metadata = signal.metadata.as_dictionary()
    decompose(
        signal,
        normalize_poissonian_noise=poisson,
        reproject="both",
        **given(masks, "both"),
    )
    assert signal.data is data
    assert np.asarray(signal.data).tobytes() == before.tobytes()
    assert signal.metadata.as_dictionary() == metadata
    assert not signal.metadata._HyperSpy.Folding.unfolded


@pytest.mark.parametrize("lazy", [False, True])
def test_a_failed_fit_leaves_everything_as_it_was(signal, decompose, lazy):
    signal.data[2, 3, 4] = np.nan
    mask = np.isnan(signal.data).any(axis=-1)
    signal = lazily(signal, "tiles") if lazy else signal
    data = signal.data
    before = dict(vars(decompose(signal, max_iter=5, navigation_mask=mask.T)))
    # What the mask hides from the fit spoils the reprojection: refused before it.
    for kwargs in ({}, {"navigation_mask": mask.T, "reproject": "navigation"}):
        with pytest.raises(ValueError, match=r"pixel \(2, 3\), channel 4"):
            decompose(signal, **kwargs)
        after = vars(signal.learning_results)
        assert after.keys() == before.keys()
        assert all(after[name] is before[name] for name in before)
        assert signal.data is data
        assert signal.data.shape == (*NAVIGATION, CHANNELS)


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_components_come_in_order_of_their_energy(
    signal, decompose, algorithm, poisson
):
    signal.data *= np.linspace(1, 30, CHANNELS)
    results = decompose(
        signal, algorithm, normalize_poissonian_noise=poisson, return_info=True
    )
    energy = (results.loadings**2).sum(0) * (results.factors**2).sum(0)
    k = energy.size
    assert (np.diff(energy) <= 0).all()
    np.testing.assert_allclose(results.explained_variance, energy / 48)
    np.testing.assert_allclose(results.explained_variance_ratio.sum(), 1)
    assert results.number_significant_components == results.output_dimension == k
    assert results.decomposition_algorithm == algorithm
    scaled = poisson and not algorithms.find(algorithm).weighs_counts
    assert results.poissonian_noise_normalized is scaled
    assert results.factors.shape == (CHANNELS, k)
    assert results.loadings.shape == (48, k)
    assert (results.centre, results.mean, results.unfolded) == (None, None, False)


def test_relevance_stays_with_its_component(signal, decompose):
    """Poisson scaling sorts the components of the fit in another order."""
    signal.data *= np.geomspace(1, 100, CHANNELS)
    estimator = sparsedecomp.decompose(
        signal,
        "nmf_so_ard",
        5,
        normalize_poissonian_noise=True,
        return_info=True,
        print_info=False,
        show_progressbar=False,
        random_state=0,
    )
    results = signal.learning_results
    stored = results.factors / np.linalg.norm(results.factors, axis=0)
    sums = np.array(signal.data.sum((0, 1)))
    fitted = estimator.components_.T * np.sqrt(sums)[:, None]
    fitted /= np.linalg.norm(fitted, axis=0)
    order = np.argmax(fitted.T @ stored, axis=0)
    assert sorted(order) == list(range(len(order)))
    np.testing.assert_array_equal(results.ard_relevance, estimator.relevance_[order])


def test_results_of_earlier_runs_do_not_linger(signal, decompose):
    decompose(signal, "nmf_so_ard")
    signal.blind_source_separation(2, print_info=False)
    assert signal.learning_results.ard_relevance.ndim == 1
    decompose(signal, "nmf_so")
    results = signal.learning_results
    assert not hasattr(results, "ard_relevance")
    assert results.bss_factors is results.bss_algorithm is results.unmixing_matrix
    signal.decomposition(output_dimension=3, print_info=False)
    assert not hasattr(results, "objective_history")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64", "float32"])
def test_counts_and_single_precision_are_computed_in_single(cube, decompose, dtype):
    counts = np.random.default_rng(0).poisson(cube * 50).astype(dtype)
    signal = hs.signals.Signal1D(counts)
    results = decompose(signal, "nmf_so_ard", None)
    assert results.loadings.dtype == np.float32
    assert signal.data.dtype == dtype
    model = results.loadings @ results.factors.T
    residual = np.linalg.norm(model - counts.reshape(48, -1)) / np.linalg.norm(counts)
    assert residual < 0.3


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shape, navigation", [((3, 4, 2, 6, 5), 3), ((7, 6, 5), 1)])
def test_any_number_of_axes(rng, decompose, lazy, shape, navigation):
    n_pixels, n_channels = np.prod(shape[:navigation]), np.prod(shape[navigation:])
    truth = rng.dirichlet([0.3, 0.3], n_pixels) @ rng.random((2, n_channels)) + 0.01
    s = hs.signals.BaseSignal(truth.reshape(shape))
    s = s.transpose(signal_axes=len(shape) - navigation)
    if lazy:
        s = s.as_lazy()
        s.data = s.data.rechunk(dict.fromkeys(range(navigation), 2))
    mask = np.zeros(shape[navigation:], bool)
    mask[1, 2] = True
    decompose(s, output_dimension=2, signal_mask=mask.T, max_iter=300)
    assert s.learning_results.signal_mask.shape == shape[navigation:]
    model = np.asarray(s.get_decomposition_model().data).reshape(truth.shape)
    kept = ~mask.ravel()
    assert np.isnan(model[:, ~kept]).all()
    np.testing.assert_allclose(model[:, kept], truth[:, kept], atol=0.1)


def test_axes_that_are_not_aligned_with_the_data(signal, decompose):
    """Signal axis first in the array, navigation behind it."""
    swapped = hs.signals.BaseSignal(np.moveaxis(signal.data, -1, 0).copy())
    for axis, navigate in zip(
        swapped.axes_manager._axes, (False, True, True), strict=True
    ):
        axis.navigate = navigate
    expected = decompose(signal)
    found = decompose(swapped)
    np.testing.assert_allclose(found.loadings, expected.loadings, rtol=1e-6)
    np.testing.assert_allclose(found.factors, expected.factors, rtol=1e-6)


def test_signal_axis_in_several_chunks_is_merged_with_a_warning(
    signal, decompose, caplog
):
    expected = decompose(signal, max_iter=10)
    lazy = signal.as_lazy()
    lazy.data = da.from_array(signal.data, chunks=(3, 4, 11))
    with caplog.at_level(logging.WARNING, "sparsedecomp"):
        found = decompose(lazy, max_iter=10)
    np.testing.assert_allclose(found.factors, expected.factors, rtol=1e-6, atol=1e-9)
    assert "stored in 3 chunks" in caplog.text and "rechunk" in caplog.text


def test_lazy_data_are_read_chunk_by_chunk(signal, decompose):
    """No task ever gets more than one chunk, and passes are what the fit says."""
    reads = []

    def read(block, block_id=None):
        reads.append(block.shape)
        return block

    lazy = signal.as_lazy()
    lazy.data = da.from_array(signal.data, chunks=LAYOUTS["tiles"]).map_blocks(
        read, dtype=float, meta=np.empty((0, 0, 0))
    )
    estimator = sparsedecomp.decompose(
        lazy,
        "nmf_so",
        3,
        return_info=True,
        print_info=False,
        show_progressbar=False,
        random_state=0,
    )
    assert set(reads) == {(3, 4, CHANNELS)}
    # The verdict compares the number with the rank, in up to six passes more.
    for_the_verdict, part = divmod(len(reads) - 4 * estimator.passes_, 4)
    assert part == 0 and 0 <= for_the_verdict <= 6


@pytest.mark.parametrize("lazy", [False, True])
def test_eds_maps_are_scaled_and_their_vacuum_is_masked(cube, rng, decompose, lazy):
    """exspy's defaults for EDS arrive here, through its own ``decomposition``."""
    exspy = pytest.importorskip("exspy")
    counts = rng.poisson(40 * cube)
    counts[:, 6:] = 0
    s = exspy.signals.EDSTEMSpectrum(counts.astype("uint16"))
    results = decompose(s.as_lazy() if lazy else s, "NMF_SO_ARD", None)
    assert results.poissonian_noise_normalized
    vacuum = np.zeros(NAVIGATION, bool)
    vacuum[:, 6:] = True
    np.testing.assert_array_equal(results.navigation_mask, vacuum)


def test_decompose_is_the_method_without_hooks(signal, decompose):
    expected = decompose(signal.deepcopy(), max_iter=10)
    info = sparsedecomp.decompose(
        signal,
        "nmf_so",
        3,
        max_iter=10,
        random_state=0,
        return_info=True,
        print_info=False,
        show_progressbar=False,
    )
    assert isinstance(info, sparsedecomp.NMFSO)
    np.testing.assert_array_equal(signal.learning_results.factors, expected.factors)


@pytest.mark.parametrize("lazy", [False, True])
def test_printed_information(signal, decompose, capsys, lazy):
    signal = signal.as_lazy() if lazy else signal
    decompose(signal, print_info=True, max_iter=3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "Decomposition info:",
        "  normalize_poissonian_noise=False",
        "  algorithm=nmf_so",
        "  output_dimension=3",
        "  centre=None",
        "scikit-learn estimator:",
    ]
    assert lines[6].startswith("NMFSO(")
    assert lines[-2] == "Components kept: 3"
    assert lines[-1].startswith("Verdict: ") and "components" in lines[-1]
    decompose(signal, print_info=False, max_iter=3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shown", [True, False, None])
def test_progress_bar(signal, decompose, capsys, monkeypatch, shown):
    monkeypatch.setattr(hs.preferences.General, "show_progressbar", False)
    monkeypatch.setattr(hs.preferences.General, "nb_progressbar", False)
    decompose(signal, show_progressbar=shown, max_iter=4)
    err = capsys.readouterr().err
    assert ("nmf_so: 100%" in err) is bool(shown)
    assert ("components=3" in err) is bool(shown)


class NotebookBar(tqdm.tqdm):
    """Bar of tqdm.notebook, whose widget learns its length from `reset` alone."""

    def __init__(self, *args, total=None, **kwargs):
        super().__init__(*args, total=total, **kwargs)
        self.length, self.width = total, None if total else "20px"
        self.postfixes = []

    def reset(self, total=None):
        if total is not None:
            self.length, self.width = total, None
        super().reset(total=total)

    def set_postfix(self, *args, **kwargs):
        self.postfixes.append(kwargs)
        super().set_postfix(*args, **kwargs)


def test_progress_bar_of_a_notebook_has_its_length(signal, decompose, monkeypatch):
    bars, lengths = [], []

    def make(*args, **kwargs):
        bars.append(NotebookBar(*args, **kwargs))
        return bars[-1]

    monkeypatch.setattr("hyperspy.external.progressbar.progressbar", make)
    decompose(
        signal,
        show_progressbar=True,
        max_iter=6,
        tol=0,
        n_init=2,
        callback=lambda progress: lengths.append(bars[0].length),
    )
    (bar,) = bars
    assert bar.width is None and set(lengths[1:]) == {12}
    assert bar.n == bar.length == bar.total == len(lengths)
    phases = [postfix["phase"] for postfix in bar.postfixes]
    assert phases[0] and len(set(phases)) > 1


@pytest.mark.parametrize("shown", [True, False])
def test_callback_of_the_user_may_stop_the_fit(signal, shown):
    seen = []

    def stop_after_two(progress):
        seen.append(progress.iteration)
        return len(seen) == 2

    estimator = sparsedecomp.decompose(
        signal,
        "nmf_so",
        3,
        callback=stop_after_two,
        show_progressbar=shown,
        return_info=True,
        print_info=False,
    )
    assert len(seen) == 2
    assert estimator.callback is stop_after_two
    assert signal.learning_results.factors.shape == (CHANNELS, 3)


@pytest.mark.parametrize("algorithm", algorithms.ALGORITHMS)
def test_interrupting_keeps_the_best_so_far(signal, algorithm):
    # These need few iterations in all.
    last = {"sss_vca": 1, "tucker": 1, "nmf_kl_ard": 1}.get(algorithm, 3)
    # One exact pass of MCR-ALS follows, which gives the result its residual.
    told = last + (algorithm == "mcr_als")

    def interrupt(progress):
        if progress.iteration == last:
            raise KeyboardInterrupt

    try:
        with pytest.warns(RuntimeWarning, match=f"interrupted after {told} iterations"):
            estimator = sparsedecomp.decompose(
                signal,
                algorithm,
                3,
                callback=interrupt,
                show_progressbar=False,
                return_info=True,
                print_info=False,
            )
    except KeyboardInterrupt:
        pytest.fail("the interrupt was not caught")
    assert estimator.interrupted_
    results = signal.learning_results
    assert results.factors.shape == (CHANNELS, results.output_dimension)
    assert np.isfinite(results.loadings).all()

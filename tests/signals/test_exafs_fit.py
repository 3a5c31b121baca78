"""``exafs_sparse_fit`` on images, eager and lazy, and its pictures."""

import re

import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.signals.exafs_fit import exafs_sparse_fit
from sparsedecomp.xas import FeffBasis

K = np.arange(0, 14.01, 0.05)


@pytest.fixture(scope="module")
def basis():
    return FeffBasis.from_composition("Ni", ["O", "Ni"], focusing=False)


@pytest.fixture(scope="module")
def image(basis):
    """Signal of 5 x 4 pixels, one of them NaN, and the numbers of atoms."""
    import hyperspy.api as hs

    rng = np.random.default_rng(0)
    atoms = np.zeros((2, len(K)))
    for row, r in ((0, 2.0886), (1, 2.9537)):
        atoms[row, 1:] = basis.channels[row].columns(K[1:], r, sigma2=0.006)[0, 0]
    n = np.array([6, 12]) * rng.uniform(0.4, 1, (4, 5, 2))
    chi = n @ atoms + 0.004 * rng.normal(size=(4, 5, len(K)))
    chi[1, 2] = np.nan
    s = hs.signals.Signal1D(chi)
    axis = s.axes_manager[-1]
    axis.name, axis.scale, axis.units = "k", 0.05, "1/Angstrom"
    s.metadata.set_item("Sample.name", "NiO")
    s.set_signal_type("EXAFS")
    return s, n


def lazily(signal, chunks=(3, 2)):
    lazy = signal.as_lazy()
    lazy.data = lazy.data.rechunk((*chunks, -1))
    return lazy


def test_maps_and_signals_keep_the_axes(image, basis):
    s, n = image
    before = s.data.copy()
    result = s.exafs_sparse_fit(basis)
    np.testing.assert_array_equal(s.data, before)
    rows = result.shells()
    assert [row["element"] for row in rows] == ["O", "Ni"]
    np.testing.assert_allclose([row["R"] for row in rows], [2.0886, 2.9537], atol=0.01)
    good = np.isfinite(s.data).all(axis=-1)
    assert np.all(np.isnan(result.n[~good]))
    assert np.all(np.abs(result.n - n)[good] < 4 * result.n_std[good])
    rdf, model, left = result.rdf(), result.model(), result.residual()
    assert type(rdf).__name__ == "RDFSpectrum"
    assert rdf.axes_manager.navigation_shape == (2, 5, 4)
    assert rdf.metadata.Sample.name == "NiO"
    oxygen = rdf.inav[0].coordination_number(1.9, 2.3)
    np.testing.assert_allclose(oxygen.data[good], result.n[good][:, 0])
    assert type(model).__name__ == "EXAFSSpectrum"
    k = model.axes_manager[-1].axis
    data = s.data[..., np.searchsorted(K, k - 1e-6)]
    np.testing.assert_allclose((model + left).data[good], data[good], atol=1e-12)
    assert np.std(left.data[good][:, 20:-40]) < 0.006
    low, high = result.interval(0.95)
    assert np.all(low[good] >= 0) and np.all(high[good] > low[good])
    assert result.noise.data.shape == result.log_evidence.data.shape == (4, 5)
    assert np.ptp(result.parameter("sigma2").data[good]) == 0
    assert "O at 2.0" in repr(result) and re.search(r"O +2\.0.. ± ", str(result))


@pytest.mark.parametrize(
    "options", [{}, {"support": "pixel"}, {"support": "cluster", "clusters": 2}]
)
def test_lazy_is_eager(image, basis, options):
    s, _ = image
    options = options | {"max_shells": 3}
    eager = s.exafs_sparse_fit(basis, **options)
    lazy = lazily(s).exafs_sparse_fit(basis, **options)
    assert not isinstance(lazy.n, np.ndarray)
    np.testing.assert_allclose(np.asarray(lazy.n), eager.n, rtol=1e-4, atol=1e-4)
    rdf = lazy.rdf()
    assert rdf._lazy and type(rdf).__name__ == "LazyRDFSpectrum"
    np.testing.assert_allclose(rdf.data.compute(), eager.rdf().data, atol=1e-3)
    assert lazy.model()._lazy and lazy.noise._lazy


def test_memory_does_not_grow_with_the_number_of_pixels(basis):
    import tracemalloc

    import dask
    import dask.array as da
    import hyperspy.api as hs

    k = K[:181]
    atoms = np.zeros(len(k))
    atoms[1:] = basis.channels[1].columns(k[1:], 2.9537, sigma2=0.006)[0, 0]

    def block(block_info):
        random = np.random.default_rng(block_info[None]["chunk-location"])
        return 12 * atoms + 0.02 * random.normal(size=(16, 100, len(k)))

    def peak(n_blocks):
        chunks = ((16,) * n_blocks, (100,), (len(k),))
        s = hs.signals.LazySignal1D(da.map_blocks(block, chunks=chunks, dtype=float))
        s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.05, "1/Angstrom"
        s.set_signal_type("EXAFS")
        with dask.config.set(scheduler="synchronous"):
            tracemalloc.start()
            result = s.exafs_sparse_fit(basis, e0=0.0, max_shells=1)
            mean = result.n.mean(axis=(0, 1)).compute()
            highest = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        np.testing.assert_allclose(mean, [12], rtol=0.01)
        return highest

    # What is imported and compiled on first use.
    peak(1)
    # Of 75 MB more, each pixel leaves its indices and each block for a while its sums.
    assert peak(36) - peak(4) < 0.1 * 32 * 1600 * 8 * len(k)


def test_parts_of_an_image_have_their_own_shells(image, basis):
    s, _ = image
    labels = np.zeros((4, 5), dtype=int)
    labels[2:] = 7
    result = s.exafs_sparse_fit(basis, support="cluster", clusters=labels)
    assert len(result.fits) == 2
    assert {row["part"] for row in result.shells()} == {0, 1}
    first = len(result.fits[0].shells_.r)
    assert np.all(result.n[2:, :, :first] == 0)
    assert np.nanmin(result.n[2:, :, first:].sum(axis=-1)) > 0


def test_single_spectrum(image, basis):
    s, n = image
    result = s.inav[3, 0].exafs_sparse_fit(basis)
    assert result.n.shape == (2,) and isinstance(result.noise, float)
    np.testing.assert_allclose(result.n, n[0, 3], rtol=0.1)
    assert np.all(np.abs(result.n - n[0, 3]) < 2 * result.n_std)
    assert result.rdf().axes_manager.navigation_shape == (2,)
    axes = result.plot()
    assert len(axes) == 3 and len(axes[0].lines) == 2
    data, fit = (line.get_ydata() for line in axes[1].lines)
    assert np.abs(data - fit).max() < 0.2 * data.max()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("support", ["joint", "pixel"])
def test_no_shell_is_a_result(basis, support, lazy):
    import hyperspy.api as hs

    noise = 1e-3 * np.random.default_rng(0).normal(size=(3, 4, len(K)))
    s = hs.signals.Signal1D(noise)
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.05, "1/Angstrom"
    s.set_signal_type("EXAFS")
    with pytest.warns(UserWarning, match="No shell was found"):
        result = (lazily(s) if lazy else s).exafs_sparse_fit(basis, support=support)
    assert result.n_shells == 0 or support == "pixel"
    assert result.shells() == [] and "no shells" in repr(result)
    assert "No shell was found" in str(result)
    assert np.all(np.isfinite(np.asarray(result.noise.data)))
    for name in ("e0", "sigma2"):
        result.parameter(name)
    assert float(result.rdf().data.sum()) == 0
    low, high = map(np.asarray, result.interval())
    assert low.shape == high.shape == result.n.shape
    model, rest = np.asarray(result.model().data), np.asarray(result.residual().data)
    np.testing.assert_allclose(model + rest, s.data[..., result._inside])
    assert len(result.plot()) == 3
    assert "no shells" in repr(type(result).from_bytes(result.to_bytes()))


def test_single_spectrum_without_shells(basis):
    import hyperspy.api as hs

    s = hs.signals.Signal1D(1e-3 * np.random.default_rng(1).normal(size=len(K)))
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.05, "1/Angstrom"
    s.set_signal_type("EXAFS")
    with pytest.warns(UserWarning, match="No shell was found"):
        result = s.exafs_sparse_fit(basis)
    assert np.isnan(result.parameter("e0")) and result.n.shape == (0,)
    assert result.rdf().axes_manager.navigation_shape == (2,)
    assert np.all(result.model().data == 0) and isinstance(result.noise, float)
    assert len(result.plot()) == 3 and result.shells() == []


def test_bases_of_another_edge_are_refused(image, basis):
    s = image[0].inav[0, 0].deepcopy()
    item = "Acquisition_instrument.XAS.Element"
    s.metadata.set_item(f"{item}.symbol", "Ni")
    s.metadata.set_item(f"{item}.edge", "K")
    s.metadata.set_item("XAS.e0", 8340.0)
    assert s.exafs_sparse_fit(basis).messages == []
    s.metadata.set_item("XAS.mode", "fluorescence")
    with pytest.warns(UserWarning, match="self-absorption"):
        s.exafs_sparse_fit(basis)
    s.metadata.set_item("XAS.mode", "transmission")
    s.metadata.set_item(f"{item}.edge", "L3")
    with pytest.raises(ValueError, match="basis is of Ni K, .* spectrum of Ni L3"):
        s.exafs_sparse_fit(basis)
    s.metadata.set_item(f"{item}.symbol", "Cu")
    s.metadata.set_item(f"{item}.edge", "K")
    with pytest.raises(ValueError, match="make the basis of Cu"):
        s.exafs_sparse_fit(basis)
    del s.metadata.Acquisition_instrument
    s.metadata.set_item("XAS.e0", 8979.0)
    with pytest.warns(UserWarning, match="8979 eV, near Cu K"):
        result = s.exafs_sparse_fit(basis)
    assert "8979" in result.messages[0] and result.shells()


def test_rows_tell_what_is_determined(image, basis):
    pixel = image[0].inav[3, 0]
    result = pixel.exafs_sparse_fit(basis)
    (quality,) = result.quality
    k, r = 13.5 - 3, 5.2 - 1
    assert quality["n_independent"] == pytest.approx(2 * k * r / np.pi)
    assert 0 < quality["degrees_of_freedom"] < quality["n_independent"] - 4
    assert 0 < quality["r_factor"] < 0.1
    for row in result.shells():
        assert row["r_factor"] == quality["r_factor"] and row["flags"] == ()
        assert row["R_high"] - row["R"] == pytest.approx(np.pi / 2 / k)
        assert row["probability"] > 0.9
    for method in ("lasso", "mcmc"):
        options = {"method": method, "n_sweeps": 1000, "random_state": 0}
        rows = pixel.exafs_sparse_fit(basis, **options).shells()
        assert all("exploration" in row["flags"] and row["N"] >= 0.05 for row in rows)


def test_too_many_atoms_are_flagged(basis):
    import hyperspy.api as hs

    chi = np.zeros(len(K))
    chi[1:] = 60 * basis.channels[1].columns(K[1:], 2.5, sigma2=0.006)[0, 0]
    s = hs.signals.Signal1D(chi)
    s.axes_manager[-1].scale, s.axes_manager[-1].units = 0.05, "1/Angstrom"
    s.set_signal_type("EXAFS")
    rows = s.exafs_sparse_fit(basis.only("Ni")).shells()
    assert any("too many atoms" in row["flags"] for row in rows)


def test_short_ranges_of_k_say_what_they_cannot_tell(image, basis):
    pixel = image[0].inav[3, 0]
    with pytest.warns(UserWarning, match="shells closer than 0.4. angstrom"):
        result = pixel.exafs_sparse_fit(basis, kmax=6.5)
    assert "N is their sum" in result.messages[0]
    assert "N is their sum" in str(result)


def test_pictures(image, basis):
    s, _ = image
    result = s.exafs_sparse_fit(basis, method="lasso")
    path, errors = sparsedecomp.plotting.plot_lasso_path(result.fits[0])
    chosen = result.fits[0].ratios_[result.fits[0].chosen_]
    assert path.lines[-1].get_xdata()[0] == chosen
    assert errors.get_yscale() == "log"
    pixel = s.inav[0, 0]
    sampled = pixel.exafs_sparse_fit(
        basis, method="mcmc", n_sweeps=2000, random_state=0
    )
    ax = sparsedecomp.plotting.plot_shell_posterior(sampled)
    labels = [text.get_text() for text in ax.get_legend().texts]
    assert labels == ["O", "Ni"]
    with pytest.raises(ValueError, match='fit with method="lasso"'):
        sparsedecomp.plotting.plot_lasso_path(sampled.fits[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"support": "rows"}, 'expected "joint", "pixel" or "cluster"'),
        ({"support": "cluster"}, "give a number or a map of labels"),
        ({"clusters": 3}, "only with it"),
        ({"support": "cluster", "clusters": 50}, "expected 1 to the 19 pixels"),
        ({"support": "cluster", "clusters": np.ones(3)}, r"the image has \(4, 5\)"),
        ({"r_rang": (1, 4)}, "unexpected keyword argument 'r_rang'"),
    ],
)
def test_bad_options_are_refused(image, basis, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        exafs_sparse_fit(image[0], basis, **options)


def test_intervals_need_a_probability(image, basis):
    result = image[0].exafs_sparse_fit(basis, refine=False)
    with pytest.raises(ValueError, match="expected between 0 and 1"):
        result.interval(95)

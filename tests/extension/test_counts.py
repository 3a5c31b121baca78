"""Counts of .scube files stay sparse in every method, and nothing else changes."""

import hyperspy.api as hs
import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.blocks import as_blocks
from sparsedecomp.blocks.reading import rows_together
from sparsedecomp.extension.learning_results import matrices


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """EDX particles as dense signal and as lazy signal of a .scube file."""
    s = sparsedecomp.datasets.edx_particles(shape=(20, 18), n_channels=256)
    path = tmp_path_factory.mktemp("counts") / "particles.scube"
    s.save(path, tile_shape=(6, 18))
    return s, hs.load(path, lazy=True)


@pytest.fixture(autouse=True)
def never_dense(monkeypatch):
    """A dense tile of a file raises an error, except where a test asks for it."""
    import rsciio_sparse.scube._lazy as module

    def refuse(*_):
        raise AssertionError("a tile was made dense")

    monkeypatch.setattr(module, "dense_tile", refuse)


def equal_statistics(ours, theirs):
    for one, other in zip(ours.describe(), theirs.describe(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blocks_have_the_statistics_of_the_dense_cube(cubes):
    dense, sparse = cubes
    blocks = as_blocks(sparse.data, sparse=True)
    assert blocks.sparse and blocks.lazy and blocks.n_blocks == 4
    equal_statistics(blocks, as_blocks(dense.data))


def test_statistics_of_sparse_rows_with_fractions_and_negative_entries(rng):
    import scipy.sparse

    dense = rng.integers(-1, 3, (300, 12)) * rng.integers(0, 2, (300, 12)) * 0.5
    dense[0], dense[1], dense[2, 0] = 0, 1, 0
    equal_statistics(as_blocks(scipy.sparse.csr_array(dense)), as_blocks(dense))
    dense[7, 3] = np.nan
    for data in (dense, scipy.sparse.csr_array(dense)):
        with pytest.raises(ValueError, match=r"pixel \(7\), channel 3"):
            as_blocks(data).describe()


def test_what_slices_cut_out_stays_sparse(cubes):
    dense, sparse = cubes
    part = sparse.inav[3:15, 2:].isig[10:200]
    blocks = as_blocks(part.data, sparse=True)
    assert blocks.sparse
    expected = dense.inav[3:15, 2:].isig[10:200]
    equal_statistics(blocks, as_blocks(np.ascontiguousarray(expected.data)))
    np.testing.assert_array_equal(
        part.get_sum_spectrum().data, expected.data.sum(axis=(0, 1))
    )


def test_other_operations_make_the_blocks_dense(cubes):
    _, sparse = cubes
    assert not as_blocks(sparse.data + 1, sparse=True).sparse
    assert not as_blocks(sparse.data.T, sparse=True).sparse
    assert not as_blocks(sparse.data, sparse=False).sparse


def test_masks_of_sparse_blocks(cubes):
    dense, sparse = cubes
    mask = np.zeros((20, 18), bool)
    mask[3:9, ::2] = True
    channels = np.arange(256) % 3 == 0
    masks = {"navigation_mask": mask, "signal_mask": channels}
    ours = as_blocks(sparse.data, sparse=True, **masks)
    equal_statistics(ours, as_blocks(dense.data, **masks))


def test_many_sparse_rows_are_read_together(cubes):
    import scipy.sparse

    empty = scipy.sparse.csr_array((100_000, 1000), dtype=np.float32)
    assert rows_together(empty) == 8192 and rows_together(empty.toarray()[:9]) == 262
    full = scipy.sparse.csr_array(np.ones((500, 1000), np.float32))
    assert rows_together(full) == 262


@pytest.mark.parametrize("name", ["nmf_kl", "nmf_kl_ard"])
def test_poisson_nmf_and_its_report(cubes, name):
    results, reports = [], []
    for s in cubes:
        s = s.deepcopy()
        s.decomposition(
            algorithm=name, output_dimension=3, random_state=0, max_iter=60,
            print_info=False, show_progressbar=False,
        )  # fmt: skip
        results.append([np.asarray(each) for each in matrices(s)])
        report = s.unmixing_report(1, 1, random_state=0, show_progressbar=False)
        reports.append(report.summary)
    for dense, sparse in zip(*results, strict=True):
        np.testing.assert_allclose(sparse, dense, atol=2e-4 * dense.max())
    assert reports[0] == reports[1]


def test_rank_and_segmentation(cubes):
    ranks = [s.estimate_rank(random_state=0).n_components for s in cubes]
    assert ranks == [3, 3]
    labels = [s.segment_composition(n_clusters=3, random_state=0) for s in cubes]
    np.testing.assert_array_equal(*[np.asarray(each.labels) for each in labels])


def test_line_maps_are_those_of_exspy(cubes):
    dense, sparse = cubes
    lines = ["Fe_Ka", "Si_Ka"]
    for s in cubes:
        s.set_elements(["Fe", "Si"])
        s.set_lines(lines)
    expected = dense.get_lines_intensity(lines)
    for s in cubes:
        for chosen in (None, lines):
            maps = s.get_line_maps(chosen)
            for ours, theirs in zip(maps, expected, strict=True):
                np.testing.assert_array_equal(ours.data, theirs.data)
                assert not ours._lazy
    assert maps[0].axes_manager.signal_shape == (18, 20)
    assert [each.metadata.General.title for each in maps] == lines


def test_line_maps_need_lines(cubes):
    s = hs.signals.Signal1D(np.ones((3, 4)))
    with pytest.raises(ValueError, match="name no X-ray lines"):
        s.get_line_maps()
    with pytest.raises(ValueError, match="at least one of each"):
        s.inav[0].get_sum_spectrum()
    with pytest.raises(ValueError, match="holds no channel"):
        s.get_line_maps({"far": (10, 11)})


def test_sum_spectrum_keeps_the_axis_and_the_metadata(cubes):
    dense, sparse = cubes
    ours = sparse.get_sum_spectrum()
    np.testing.assert_array_equal(ours.data, dense.data.sum(axis=(0, 1)))
    assert ours.axes_manager[-1].scale == dense.axes_manager[-1].scale
    assert ours.metadata.Signal.signal_type == dense.metadata.Signal.signal_type
    assert not ours._lazy


def test_memory_of_a_cube_that_is_large_when_it_is_dense(tmp_path):
    """A cube of 512 MiB is summed, mapped and decomposed in 200 MiB."""
    import subprocess
    import sys

    code = """
import resource, sys
import numpy as np
import hyperspy.api as hs
from rsciio_sparse._counts import counts_of_events, group_by_pixel
from rsciio_sparse.scube._layout import Layout
from rsciio_sparse.scube._write import Writer
hs.signals.Signal1D
import sparsedecomp.decomposition, sparsedecomp.extension.counts
shape = (256, 256, 8192)
rng = np.random.default_rng(0)
layout = Layout(shape, 2, (64, 256), np.dtype("u1"))
axes = [{"name": n, "size": s, "navigate": n != "E", "scale": 1.0, "offset": 0.0,
         "units": ""} for n, s in zip("yxE", shape)]
plain = {"axes": axes, "metadata": {"General": {"title": ""}, "Signal": {}}}
plain |= dict.fromkeys(("original_metadata", "learning_results", "attributes",
                        "models", "package_info"), {})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Writer(sys.argv[1], plain, layout) as writer:
    for number in range(layout.n_tiles):
        pixels = rng.integers(0, 16384, 60_000)
        peak = np.where(pixels % 256 < 128, 700, 2000)
        channels = (peak + 20 * rng.normal(size=60_000)).astype(np.uint16)
        events = group_by_pixel(pixels, channels, 16384)
        writer.append(number, counts_of_events(*events, 8192))
s = hs.load(sys.argv[1], lazy=True)
total = s.get_sum_spectrum(show_progressbar=False)
left, right = s.get_line_maps({"a": (500, 900), "b": (1800, 2200)},
                              show_progressbar=False)
assert total.data.sum() == 4 * 60_000
assert left.data[:, 128:].sum() == right.data[:, :128].sum() == 0
s.decomposition(algorithm="nmf_kl", output_dimension=2, random_state=0, max_iter=30,
                print_info=False, show_progressbar=False)
peaks = sorted(np.asarray(s.learning_results.factors).argmax(axis=0) // 100)
assert peaks in ([6, 19], [6, 20], [7, 19], [7, 20]), peaks
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.scube")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout.split()[-1]) < 200

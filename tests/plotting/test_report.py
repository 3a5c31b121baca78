"""The picture of the report on an unmixing."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sparsedecomp.decomposition import NMFSO, unmixing_report
from sparsedecomp.plotting import plot_unmixing_report


@pytest.fixture
def counts(rng):
    spectra = rng.gamma(0.5, 40, (2, 30))
    return rng.poisson(rng.dirichlet([0.3, 0.3], 96) @ spectra)


@pytest.mark.parametrize("shape", [(96,), (8, 12), (4, 4, 6)])
def test_axes_show_components_residual_and_map(counts, shape):
    from sparsedecomp.blocks import as_blocks

    blocks = as_blocks(counts.reshape(*shape, 30))
    report = unmixing_report(blocks, NMFSO(2), n_starts=1, n_resamples=1)
    axes = plot_unmixing_report(report)
    assert ("map" in axes) == (len(shape) <= 2)
    lines = axes["component 1"].lines
    assert [line.get_linestyle() for line in lines] == ["--", ":", "-"]
    norm = np.linalg.norm(lines[2].get_ydata())
    assert norm == pytest.approx(1)
    # One shade is the confidence band, the other reaches over both refits.
    band, _ = axes["component 0"].collections
    top = band.get_paths()[0].vertices[:, 1].max()
    unit = np.linalg.norm(report.components[0])
    widest = (report.components[0] + report.half_width[0]) / unit
    assert top == pytest.approx(widest.max())
    residual = axes["residual"].lines[-1].get_ydata()
    np.testing.assert_array_equal(residual, report.residual.channel_excess)
    assert axes["left"].figure._suptitle.get_text() == report.verdict
    plt.close("all")


def test_masked_pixels_stay_empty_and_refits_may_be_none(counts):
    from sparsedecomp.blocks import as_blocks

    mask = np.zeros((8, 12), bool)
    mask[0] = True
    blocks = as_blocks(counts.reshape(8, 12, 30), navigation_mask=mask)
    report = unmixing_report(blocks, NMFSO(2), n_starts=0, n_resamples=0)
    figure = plt.figure()
    axes = plot_unmixing_report(report, figure)
    assert axes["map"].figure is figure
    image = np.ma.filled(axes["map"].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(image), mask)
    assert len(axes["component 0"].collections) == 1
    plt.close("all")

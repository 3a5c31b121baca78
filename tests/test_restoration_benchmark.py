"""The benchmark of restoration: what its targets say, and its quick cases."""

import pytest

from benchmarks.deblurring_cases import zero_loss
from benchmarks.restoration import check
from benchmarks.restoration_cases import gaps, large, phantom, photograph


def row(draw, psnr, **values):
    usual = {"best_single": 30.0, "bias_mean": 0.05, "bias_spread": 1.05}
    name = f"edx, 25 counts, draw {draw}"
    return {"table": "denoising", "method": name, "psnr": psnr, **usual, **values}


def test_targets_are_judged_by_the_mean_of_the_draws():
    found = check([row(0, 29.0), row(1, 31.0, bias_mean=-0.15)])
    measured = {each.name: (each.measured, each.passed) for each in found}
    assert measured == {
        "edx, 25 counts": (30.0, False),
        "edx, 25 counts, below best": (0.0, True),
        "edx, 25 counts, mean deviation": (pytest.approx(0.05), True),
        "edx, 25 counts, spread from 1": (pytest.approx(0.05), True),
    }


def test_quick_cases_run():
    pytest.importorskip("skimage")
    found = phantom("mixed", 25, 0, quick=True)
    assert found["psnr"] > found["raw"] + 8 and found["psnr"] > found["hyperspy_pca"]
    assert found["psnr"] > found["best_single"] - 0.5
    assert large(quick=True)["seconds"] > 0


def test_quick_cases_of_inpainting_run():
    from sparsedecomp.datasets import data_dir

    pytest.importorskip("skimage")
    found = gaps("mixed", 112, 0, quick=True)
    assert found["psnr"] > found["by_method"]["smooth"] - 1
    if data_dir() is None:
        pytest.skip("the shared photographs are not here")
    found = photograph("02", quick=True)
    assert found["psnr"] > 25
    rows = [{"table": "inpainting", "method": "image 02", **found}]
    rows.append({"table": "inpainting", "method": "edx, 5 counts, draw 0", "psnr": 21})
    assert [each.passed for each in check(rows)][-1]


def test_quick_cases_of_deblurring_run():
    pytest.importorskip("skimage")
    found = zero_loss("plasmons", 1e4, draws=1)
    rows = [{"table": "deblurring", "method": "plasmons, 1e+04 counts", **found}]
    assert [each.passed for each in check(rows)] == [True]

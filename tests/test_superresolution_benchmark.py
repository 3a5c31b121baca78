"""The benchmark of super-resolution: what its targets say, and its quick cases."""

import pytest

from benchmarks import dictionary_cases
from benchmarks.superresolution import check
from benchmarks.superresolution_cases import seed_geometry


def row(table, case, method, **values):
    return {"table": table, "case": case, "method": f"{case} ({method})", **values}


def test_sparse_codes_are_judged_against_tikhonov_on_the_same_scan():
    rows = [
        row("noise 15", "point", "tikhonov", psnr=25.0),
        row("noise 15", "point", "sparse", psnr=24.0),
        row("noise 15", "spot 100 nm", "tikhonov", psnr=29.0),
        row("noise 15", "spot 100 nm", "sparse", psnr=31.0),
    ]
    measured = {each.name: each.measured for each in check(rows)}
    assert measured == {
        "SR5 noise 15, point, over Tikhonov": -1,
        "SR5 noise 15, spot 100 nm, over Tikhonov": 2,
    }


def test_denoising_and_single_frames_are_judged_by_published_figures():
    rows = [
        row("denoising", "Barbara 20", "", psnr=30.8, cpu_seconds=11),
        row("single frame", "x2", "zeyde", psnr=35.0),
        row("single frame", "x2", "yang", psnr=30.0),
    ]
    targets = [(each.measured, each.target) for each in check(rows)]
    assert targets == [(30.8, 30.75), (11, 10), (35.0, pytest.approx(35.68))]


def test_quick_cases_run(data_dir, monkeypatch, tmp_path):
    if not (data_dir / "superresolution" / "images").is_dir():
        pytest.skip("no test images")
    monkeypatch.setenv("SPARSEDECOMP_CACHE_DIR", str(tmp_path))
    found = dictionary_cases.denoising("House", 20.0, quick=True)
    assert found["psnr"] > 33 and abs(found["noise_found"] - 20) < 2
    found = dictionary_cases.single_frame(2, quick=True)
    assert found["psnr"] > found["interpolated"] + 0.5
    options = {"shifts": "true", "noise": 15.0, "jitter": 0.0, "quick": True}
    found = seed_geometry(**options, spot=0.0, method="tikhonov")
    assert found["method"] == "tikhonov" and found["shift_rmse"] == 0

"""The benchmark of super-resolution: what its targets say, and its quick cases."""

import pytest

from benchmarks import dictionary_cases
from benchmarks.superresolution import check
from benchmarks.superresolution_cases import noisy_scan, published_scan


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


def test_places_found_are_judged_against_nominal_and_true_ones():
    values = {"nominal": 34.0, "same_settings": 33.0, "estimated": 36.0}
    rows = [
        row("published scan", f"draw {k}", "", **values, true_places=36.0 + 0.2 * k)
        for k in (0, 1)
    ]
    found = {each.name: (each.measured, each.passed) for each in check(rows)}
    assert found == {
        "SR4 published scan, draw 0": (36, True),
        "SR4 published scan, draw 0, over nominal": (2, False),
        "published scan, draw 0, below true places": (0, True),
        "published scan, draw 1, below true places": (pytest.approx(0.2), False),
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
    assert noisy_scan("tikhonov", spot=0.0, quick=True)["method"] == "tikhonov"
    found = published_scan(quick=True)
    # The corner that is left is even: no place of it is much worse than another.
    maps = [found[k] for k in ("nominal", "same_settings", "estimated", "true_places")]
    assert 0.05 < found["off"] < 0.15 and 48 < min(maps) < max(maps) < 56

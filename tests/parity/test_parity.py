"""HyperSpy's own tests of decomposition, with our algorithms in the place of its own.

The installed tests run in a process of their own, through the plugin `ours_instead`.
What fails is compared with the list below: nothing else may fail.
"""

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

hyperspy = pytest.importorskip("hyperspy", minversion="2.5")
pytest.importorskip("hyperspy.tests.learn")

HERE = Path(__file__).parent
MODULES = ("test_decomposition", "test_lazy_decomposition", "test_learning_results")
# Masks, reprojection, chunks, bad input and untouched data: what a driver is about.
QUICK = (
    "MaskTypes or BothMasks or Reprojection or SubSignalChunking or InputValidation "
    "or DataPreservation or learning_results"
)

# Why a test cannot pass -> which tests, as "module::name".
EXPECTED = {
    "wants the best approximation of a rank to 1e-6 or better, that is the SVD": (
        "*::TestGetModel::*test_get_*model*",
        "*::TestGetModel::*test_lazy_get_*model*",
        "*::TestGetModelSignal2D::test_*get_decomposition_model[[]*",
        "*::TestLazyVsNonLazyDecomposition::*_reconstruction",
        "*BothMasks::test_both_masks_reconstruction_quality",
        "*ReprojectionNumerical::test_reproject_signal_reconstruction",
        "*ReprojectionNumerical::test_reproject_both_svd_reconstruction",
    ),
    "wants the same result with spectra and maps exchanged: ours are not alike": (
        "*::TestNdAxes::test_consistency",
        "*::TestNdAxes::test_consistency_poissonian",
    ),
    "wants no variance and no number of components: ours are known": (
        "*::TestLazyDecomposition::test_or[pn]*",
        "*::test_number_significant_components_none_without_variance",
        "*::test_store_number_significant_components",
    ),
    "wants the name, mean, estimator or missing import of the replaced algorithm": (
        "*::test_learning_results_decom",
        "*::test_mean_stored_for_pca",
        "*::test_return_info_true_pca",
        "*::test_return_info_svd_returns_none",
        "*::TestReturnInfo::test_decomposition_not_supported[[]SVD]",
        "*::TestImportErrorPaths::test_*_raises_import_error_without_sklearn",
    ),
    "wants an error or warning for what ours can do": (
        # integers; a number of components that is not given; reprojected spectra
        "*::TestNonFloatTypeError::test_decomposition_error",
        "*InputValidation::test_non_float_dtype_raises",
        "*::TestLazyDecomposition::test_output_dimension_error",
        "*::TestSVDAlgorithm::test_output_dimension_required",
        "*::test_decomposition_reproject_warning*",
        # copy=True, which changes nothing where nothing is written to
        "*::TestDataPreservation::test_*_copy_true_deprecated",
    ),
    "wants HyperSpy's words for an error, or a private attribute of the signal": (
        "*::test_negative_values_error",
        "*::test_unfolded4decomposition_false_after_svd",
    ),
    "gives num_chunks, which has no meaning for ours and is refused": (
        "*InputValidation::test_num_chunks_*_raises",
        "*::TestNumChunksAutoReduce::test_num_chunks_clamped_to_ceil",
    ),
}
# Only where the algorithm finds the number of components by itself.
EXPECTED_OF_ARD = {
    "wants an error where the number of components is not given": (
        "*::test_decomposition_output_dimension_not_given*",
        "*::test_nmf_requires_output_dimension",
    ),
}
# They pass or fail with the last digits of a fit.
UNDECIDED = (
    # wants counts fitted worse without Poisson scaling: ours weighs them anyway
    "*::TestPoissonNormalizationQuality::*",
)
# Wants as many components as were allowed: ours keeps those above the noise.
FEWER = re.compile(
    r"AssertionError: assert (?:\((\d+), (?P<found>\d+)\) == \(\1, (?P<allowed>\d+)\)"
    r"|(?P<kept>\d+) == (?P<bound>\d+))$"
)


def outcomes(tmp_path, algorithm, *options):
    """Run HyperSpy's tests with one of our algorithms: test -> "passed" or error."""
    report = tmp_path / "report.json"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + ["-p", "ours_instead", *options]
        + ["--pyargs", *(f"hyperspy.tests.learn.{module}" for module in MODULES)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
            "PARITY_ALGORITHM": algorithm,
            "PARITY_REPORT": str(report),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert report.exists(), run.stdout[-3000:] + run.stderr[-3000:]
    return json.loads(report.read_text())


def fewer(error):
    """Whether an error only says that fewer components were kept than allowed."""
    numbers = (match := FEWER.match(error)) and match.groupdict()
    return numbers and (
        int(numbers["found"] or numbers["kept"])
        < int(numbers["allowed"] or numbers["bound"])
    )


def compare(found, algorithm, at_least):
    """Nothing fails but what is expected to, and nothing is expected in vain."""
    ard = algorithm == "nmf_so_ard"
    expected = EXPECTED | (EXPECTED_OF_ARD if ard else {})
    failed = {test: error for test, error in found.items() if error != "passed"}

    def matches(tests, patterns):
        return {
            test
            for test in tests
            if any(fnmatch.fnmatchcase(test, pattern) for pattern in patterns)
        }

    allowed = matches(failed, UNDECIDED)
    if ard:
        allowed |= {test for test, error in failed.items() if fewer(error)}
    for reason, patterns in expected.items():
        allowed |= matches(failed, patterns)
        if concerned := matches(found, patterns):
            assert concerned & set(failed), f"no test {reason}: {sorted(concerned)}"
    unexpected = {test: failed[test] for test in set(failed) - allowed}
    assert not unexpected
    assert len(found) - len(failed) >= at_least


def test_masks_reprojection_chunks_and_input(tmp_path):
    compare(outcomes(tmp_path, "nmf_so", "-k", QUICK), "nmf_so", at_least=100)


@pytest.mark.study
@pytest.mark.parametrize("algorithm", ["nmf_so", "nmf_so_ard"])
def test_all_of_hyperspys_tests_of_decomposition(tmp_path, algorithm):
    compare(outcomes(tmp_path, algorithm), algorithm, at_least=190)


def plain_outcomes(tmp_path, modules, **environment):
    """Run HyperSpy's tests as they are: the summary line without its time."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE"]
        + ["--pyargs", *modules],
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    failed = {
        line for line in run.stdout.splitlines() if line[:6] in ("FAILED", "ERROR ")
    }
    return failed, run.stdout.splitlines()[-1].split(" warnings")[0].split(",")[:2]


@pytest.mark.study
def test_hyperspys_tests_pass_with_us_as_without_us(tmp_path):
    modules = [
        "hyperspy.tests.learn",
        "hyperspy.tests.signals.test_lazy",
        "hyperspy.tests.signals.test_lazy_tools",
        "hyperspy.tests.test_import",
        "hyperspy.tests.test_extension_registry",
    ]
    without = plain_outcomes(tmp_path, modules, SPARSEDECOMP_NO_HOOKS="1")
    assert plain_outcomes(tmp_path, modules, SPARSEDECOMP_NO_HOOKS="") == without

"""`s.unmixing_report()`: the last decomposition, its masks, its scaling, its axis."""

import warnings

import numpy as np
import pytest

import sparsedecomp
from sparsedecomp.decomposition import DoubtfulResultWarning
from sparsedecomp.extension.learning_results import energies
from sparsedecomp.metrics import spectral_angle


@pytest.fixture
def cube():
    return sparsedecomp.datasets.edx_particles(shape=(20, 24), n_channels=256)


def decompose(signal, **options):
    signal.decomposition(
        print_info=False,
        show_progressbar=False,
        random_state=0,
        **(
            {"algorithm": "nmf_so", "output_dimension": 3, "navigation_mask": None}
            | options
        ),
    )


def report_of(signal, **options):
    return signal.unmixing_report(
        1, 1, random_state=0, show_progressbar=False, **options
    )


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("poisson", [False, True])
def test_report_is_about_what_was_found(cube, lazy, poisson):
    s = cube.as_lazy() if lazy else cube
    decompose(s, normalize_poissonian_noise=poisson)
    factors = s.learning_results.factors.copy()
    report = report_of(s)
    found = report.components / np.linalg.norm(report.components, axis=1)[:, None]
    stored = factors.T / np.linalg.norm(factors, axis=0)[:, None]
    np.testing.assert_allclose(found, stored, atol=1e-6)
    for fit in (*report.starts, *report.resamples):
        angles = spectral_angle(fit.spectra, report.components)
        np.testing.assert_allclose(fit.angles, angles, atol=1e-4)
    assert report.residual.noise_model == "poisson"
    energy = energies(s.learning_results.loadings, factors)
    np.testing.assert_allclose(report.energy, energy / energy.sum(), rtol=1e-5)
    assert report.residual.white and report.n_components == 3
    assert report.navigation_shape == (20, 24)
    np.testing.assert_allclose(report.channels, s.axes_manager[-1].axis)
    assert "keV" in report.channel_label
    np.testing.assert_array_equal(s.learning_results.factors, factors)


def test_masks_of_the_decomposition_are_those_of_the_report(cube):
    pixels = np.zeros((24, 20), bool)
    pixels[:2] = True
    channels = np.zeros(256, bool)
    channels[200:] = True
    decompose(cube, navigation_mask=pixels, signal_mask=channels)
    report = report_of(cube)
    assert report.components.shape == (3, 200) and len(report.channels) == 200
    assert report.residual.map.shape == (440,)


def test_parameters_go_to_the_algorithm(cube):
    decompose(cube)
    assert report_of(cube, n_init=1).n_components == 3
    with pytest.raises(TypeError, match="has no parameter 'orthogonal'"):
        report_of(cube, orthogonal=1)


def test_other_decompositions_are_refused(cube):
    with pytest.raises(RuntimeError, match="expected one by an algorithm of sparse"):
        report_of(cube)
    cube.change_dtype("float32")
    cube.decomposition(print_info=False)
    with pytest.raises(RuntimeError, match="'SVD'"):
        report_of(cube)


def test_progress_bar_counts_the_fits(cube, capsys):
    decompose(cube)
    cube.unmixing_report(1, 2, random_state=0, show_progressbar=True)
    assert "3/3" in capsys.readouterr().err


def test_doubts_about_the_refits_are_not_told_as_doubts_about_the_result(cube):
    with pytest.warns(DoubtfulResultWarning, match="at most 2 were allowed"):
        decompose(cube, algorithm="nmf_so_ard", output_dimension=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulResultWarning)
        report_of(cube)

"""Old spellings of parameters keep working for one release, with a warning."""

import inspect

import pytest

from sparsedecomp.deprecation import renamed_parameters


@renamed_parameters(k_weight="kweight", k_range=("kmin", "kmax"))
def settings(*, kweight=2, kmin=3.0, kmax=None):
    return kweight, kmin, kmax


def test_old_names_set_the_new_parameters_and_warn():
    with pytest.warns(FutureWarning, match="settings: k_weight .* use kweight"):
        assert settings(k_weight=0) == (0, 3.0, None)
    with pytest.warns(FutureWarning, match="use kmin and kmax"):
        assert settings(k_range=(4, 12)) == (2, 4, 12)
    with pytest.warns(FutureWarning):
        assert settings(k_range=None) == (2, 3.0, None)


def test_new_names_do_not_warn(recwarn):
    assert settings(kweight=1, kmax=9) == (1, 3.0, 9)
    assert not recwarn


def test_the_signature_shows_the_new_names_only():
    assert list(inspect.signature(settings).parameters) == ["kweight", "kmin", "kmax"]


def test_old_and_new_name_together_are_refused():
    with pytest.warns(FutureWarning), pytest.raises(TypeError, match="both k_weight"):
        settings(k_weight=1, kweight=2)

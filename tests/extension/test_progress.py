"""The progress bar says when kernels are compiled."""

import logging

import numba
import pytest

from sparsedecomp.extension.progress import progress_bar


@pytest.mark.parametrize("show", [False, True])
def test_compilation_is_logged_once_and_is_a_phase_of_the_bar(show, caplog, capsys):
    @numba.njit
    def double(x):
        return 2 * x

    with caplog.at_level(logging.INFO), progress_bar(show, "fit"):
        double(1)
        double(1.0)
    messages = [r.message for r in caplog.records if "Compiling" in r.message]
    assert len(messages) == 1 and "cached on disk" in messages[0]
    assert ("phase=compiling" in capsys.readouterr().err) == show
    caplog.clear()
    with caplog.at_level(logging.INFO), progress_bar(show, "fit"):
        double(1)
    assert not caplog.records
    assert "phase=compiling" not in capsys.readouterr().err

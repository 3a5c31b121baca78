"""HyperSpy knows the four signals, eager and lazy, whatever was imported."""

import subprocess
import sys

import hyperspy.api as hs
import numpy as np
import pytest

from sparsedecomp import signals

TYPES = {
    "XAS": "XASSpectrum",
    "XAFS": "XASSpectrum",
    "XANES": "XASSpectrum",
    "NEXAFS": "XASSpectrum",
    "EXAFS": "EXAFSSpectrum",
    "RDF": "RDFSpectrum",
}

CLASSES = [name for name in signals.__all__ if name.endswith("Spectrum")]


@pytest.mark.parametrize("signal_type", TYPES)
def test_types_and_aliases_give_the_classes(signal_type):
    signal = hs.signals.Signal1D(np.ones((2, 3, 8)))
    signal.set_signal_type(signal_type)
    assert type(signal) is getattr(signals, TYPES[signal_type])
    lazy = signal.as_lazy()
    assert type(lazy) is getattr(signals, "Lazy" + TYPES[signal_type])
    lazy.compute(show_progressbar=False)
    assert type(lazy) is type(signal)


def test_chi_of_r_is_complex():
    signal = hs.signals.ComplexSignal1D(np.ones((2, 8), dtype=complex))
    signal.set_signal_type("EXAFS_R")
    assert type(signal) is signals.EXAFSRSpectrum
    assert type(signal.as_lazy()) is signals.LazyEXAFSRSpectrum
    assert type(signal.amplitude).__name__ == "Signal1D"


def test_aliases_are_stored_as_the_type():
    signal = hs.signals.Signal1D(np.ones(8))
    signal.set_signal_type("NEXAFS")
    assert signal.metadata.Signal.signal_type == "XAS"


@pytest.mark.parametrize("name", CLASSES)
def test_a_saved_signal_comes_back_as_what_it_was(name, tmp_path):
    cls = getattr(signals, name)
    kind = complex if "EXAFSR" in name else float
    signal = cls(np.ones((2, 8), dtype=kind))
    signal.axes_manager[-1].convert_to_non_uniform_axis()
    signal.save(tmp_path / "file.hspy")
    loaded = hs.load(tmp_path / "file.hspy", lazy=name.startswith("Lazy"))
    assert type(loaded) is cls
    assert not loaded.axes_manager[-1].is_uniform


def test_hyperspy_alone_knows_the_types(tmp_path):
    code = (
        "import hyperspy.api as hs, numpy as np\n"
        "s = hs.signals.Signal1D(np.ones((3, 40)))\n"
        "s.set_signal_type('XANES')\n"
        "assert type(s).__name__ == 'XASSpectrum'\n"
        "assert type(s.as_lazy()).__name__ == 'LazyXASSpectrum'\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_public_names_are_listed_and_others_refused():
    assert "XASSpectrum" in dir(signals)
    with pytest.raises(AttributeError, match="no attribute 'Spectrum'"):
        signals.Spectrum  # noqa: B018

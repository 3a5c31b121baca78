"""Simulated cubes with known truth, and published measurements.

Everything here gives HyperSpy signals except `Truth`, `noisy_cube` and the
``..._truth`` functions, which work on plain arrays. HyperSpy, dask and pooch are
imported by the functions that need them.
"""

from .files import data_dir, load
from .ground_truth import Truth, truth
from .registry import describe, names
from .signals import edx_particles, eels_oxide_interface
from .simulate import noisy_cube
from .specimens import oxide_interface_truth, particles_truth
from .stage_scans import fine_truth, shifted_frames
from .tensor_series import tilt_series, tilt_series_truth
from .two_detectors import edx_eels_scan

__all__ = [
    "Truth",
    "data_dir",
    "describe",
    "edx_eels_scan",
    "edx_particles",
    "eels_oxide_interface",
    "fine_truth",
    "load",
    "names",
    "noisy_cube",
    "oxide_interface_truth",
    "particles_truth",
    "shifted_frames",
    "tilt_series",
    "tilt_series_truth",
    "truth",
]

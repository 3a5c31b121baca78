"""
A drift of the energy axis
==========================

The energy axis moves from column to column. The map of shifts is found from the spectra
alone; their mean cannot be known.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp import datasets

truth = datasets.oxide_interface_truth((24, 24), 128, 2e5)
clean = truth.maps @ truth.spectra
true = np.linspace(-1, 1, 24)
channel = np.arange(128)
for column, shift in enumerate(true):
    for row in range(24):
        moved = np.interp(channel - shift, channel, clean[row, column])
        clean[row, column] = moved
s = hs.signals.Signal1D(np.random.default_rng(0).poisson(clean))
drift = s.estimate_energy_drift(show_progressbar=False)

fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
ax.plot(true, "k--", label="true")
ax.plot(drift.data.mean(axis=0), "o", ms=4, label="found")
ax.set(xlabel="Column", ylabel="Shift (channels)")
# sphinx_gallery_alt = "Shifts found for every column lie on the line of the true ones."
ax.legend()

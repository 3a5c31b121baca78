"""
A drift of the energy axis
==========================

The energy axis moves during the scan, row by row. The map of shifts is found from the
spectra alone; their mean cannot be known.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

rng = np.random.default_rng(21)
energy, shape = np.linspace(400, 700, 160), (32, 32)
edges = np.array([[456], [532], [600]])
spectra = 3 * (energy / 400) ** -3 + 0.5 / (1 + np.exp((edges - energy) / 3))
spectra += 1 / (1 + ((energy - edges - 4) / 5) ** 2)
maps = [gaussian_filter(rng.normal(size=shape), 4, mode="wrap") for _ in edges]
maps = np.exp([2.2 * each / each.std() for each in maps])
clean = np.moveaxis(maps / maps.sum(axis=0), 0, -1) @ spectra * 400
channel = np.arange(160)
true = np.linspace(-1, 1, shape[0])
for row, shift in enumerate(true):
    for x in clean[row]:
        x[:] = np.interp(channel - shift, channel, x)
s = hs.signals.Signal1D(rng.poisson(clean))
drift = s.estimate_energy_drift(show_progressbar=False)

fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
ax.plot(true, "k--", label="true")
ax.plot(drift.data.mean(axis=1), "o", ms=4, label="found")
ax.set(xlabel="Row", ylabel="Shift (channels)")
# sphinx_gallery_alt = "Shifts found for every row lie on the line of the true ones."
ax.legend()

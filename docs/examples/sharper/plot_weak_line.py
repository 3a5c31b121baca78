"""
A weak line in a spectrum
=========================

PIXON keeps as much structure as the data prove, place by place.
"""

import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp.restoration import pixon

channel = np.arange(300)
true = 20 + 15 * np.exp(-0.5 * ((channel - 180) / 4) ** 2)
counts = np.random.default_rng(3).poisson(true)
found = pixon(counts)

fig, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
ax.plot(channel, counts, color="0.75", lw=0.8, label="counts")
ax.plot(channel, true, "k--", lw=1, label="truth")
ax.plot(channel, found.image, label="pixons")
ax.set(xlabel="Channel", ylabel="Counts")
# sphinx_gallery_alt = "Noisy counts; the restored spectrum follows the true line."
ax.legend()

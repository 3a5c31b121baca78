"""
How many components has a series?
=================================

Three diagnostics are asked; a number is recommended only if two of them agree.
"""

import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp.decomposition import tensor_rank

rng = np.random.default_rng(0)
x = np.linspace(0, 1, 60)[:, None]
spectra = np.exp(-0.5 * ((x - [0.25, 0.5, 0.75]) / 0.08) ** 2)
maps, profiles = rng.dirichlet([0.4] * 3, 40), rng.uniform(0.2, 1, (9, 3))
X = np.einsum("ir,jr,er->ije", profiles, maps, spectra)
X += 0.02 * rng.standard_normal(X.shape)
report = tensor_rank(X, 5, random_state=0)

fig, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
ax.plot(report.ranks, report.core_consistency, "o-", label="core consistency (%)")
ax.plot(report.ranks, report.fit, "s--", label="explained (%)")
ax.axvline(report.recommended, color="0.6", lw=1, label="recommended")
ax.set(xlabel="Number of components", ylim=(-10, 105), xticks=report.ranks)
# sphinx_gallery_alt = "Core consistency falls after three components."
ax.legend()

"""
A spectrum image without its noise
==================================

Ten counts in a pixel. The maps of the few spectra are restored together, and a fifth of
the counts chose how.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
import numpy as np

y, x = np.mgrid[:40, :40]
maps = np.stack([np.hypot(x - 14, y - 15) < 9, x > 26, np.ones_like(x)], axis=-1)
energy = np.linspace(0.5, 8, 200)
lines = np.array([[1.5], [3.7], [6.4]])
spectra = np.exp(-0.5 * ((energy - lines) / 0.08) ** 2) + 0.01
clean = maps @ spectra
clean *= 10 / clean.sum(axis=2).mean()
s = hs.signals.Signal1D(np.random.default_rng(0).poisson(clean).astype(np.uint8))
restored = s.denoise(random_state=0, show_progressbar=False)

window = slice(20, 34)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
pictures = {"counts": s.data, "restored": restored.data, "truth": clean}
for ax, (name, cube) in zip(axes, pictures.items(), strict=True):
    ax.imshow(cube[..., window].sum(axis=-1), cmap="cividis", vmin=0, vmax=8)
    # sphinx_gallery_alt = "Map of one line: noisy counts, restored, and the truth."
    ax.set(title=name, xticks=[], yticks=[])

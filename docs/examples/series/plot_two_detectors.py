"""
EDX and EELS of one scan
========================

Decomposed together, the detectors have the same maps and one likelihood. Phases overlap
everywhere, so that the order and the contrast of the maps found are those of the data.
"""

import matplotlib.pyplot as plt

import sparsedecomp
from sparsedecomp import datasets
from sparsedecomp.metrics import match_components

edx, eels = datasets.edx_eels_scan(
    (32, 32), n_channels=128, edx_counts=2000, eels_counts=20_000, seed=1
)
together, _ = sparsedecomp.coupled_decomposition(
    [edx, eels], 4, random_state=0, show_progressbar=False
)
found = together["x, y"].data
truth = datasets.truth(edx).maps
order, kept, _ = match_components(truth.reshape(-1, 4).T, found.reshape(4, -1))

fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for (above, below), i, j in zip(axes.T, order, kept, strict=True):
    above.imshow(truth[..., i], cmap="cividis", vmin=0)
    below.imshow(found[j], cmap="cividis", vmin=0)
    above.set(xticks=[], yticks=[], title=datasets.truth(edx).names[i])
    below.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("true")
# sphinx_gallery_alt = "True maps of four phases, and below them those found."
axes[1, 0].set_ylabel("found")

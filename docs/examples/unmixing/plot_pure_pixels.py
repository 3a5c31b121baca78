"""
Which pixels are pure?
======================

Vertex component analysis takes the purest pixels for the components. Here they are
marked in the map of the whole intensity.
"""

import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp import VCA, datasets

s = datasets.eels_oxide_interface(shape=(32, 32), n_channels=256)
model = VCA(3, random_state=0)
maps = model.fit_transform(s.data.reshape(-1, 256)).reshape(32, 32, 3)

share = maps / maps.sum(axis=-1, keepdims=True)
fig, ax = plt.subplots(figsize=(4.6, 4), layout="constrained")
image = ax.imshow(share.max(axis=-1), cmap="cividis", vmin=1 / 3, vmax=1)
fig.colorbar(image, label="Largest share of a component")
for k in range(3):
    row, column = np.unravel_index(share[..., k].argmax(), (32, 32))
    ax.plot(column, row, "o", ms=9, mfc="none", mec="white", mew=2)
ax.set_xlabel("x (pixels)")
# sphinx_gallery_alt = "Map of the largest share of a component; circles mark pixels."
ax.set_ylabel("y (pixels)")

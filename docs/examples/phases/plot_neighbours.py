"""
What neighbours know
====================

Two phases whose compositions differ by less than the noise of a pixel. k-means of
single pixels splits the noise; the mixture with a Potts prior finds the regions.
"""

import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp import CompositionKMeans, PottsMixture

y, x = np.mgrid[:48, :48]
phase = (np.hypot(x - 24, y - 20) < 13).astype(int)
composition = np.array([[0.44, 0.56], [0.56, 0.44]])
counts = np.random.default_rng(0).poisson(40 * composition[phase])

fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
X = counts.reshape(-1, 2)
found = {
    "truth": phase,
    "k-means": CompositionKMeans(2, random_state=0).fit(X).labels_,
    "mixture": PottsMixture(2, navigation_shape=(48, 48), random_state=0)
    .fit(X)
    .labels_,
}
for ax, (name, labels) in zip(axes, found.items(), strict=True):
    labels = np.asarray(labels).reshape(48, 48)
    if np.mean(labels == phase) < 0.5:
        labels = 1 - labels
    ax.imshow(labels, cmap="cividis")
    # sphinx_gallery_alt = "Truth, k-means with speckle, and the mixture without."
    ax.set(title=name, xticks=[], yticks=[])

"""
Nine coarse maps become a fine one
==================================

The frames are shifted against each other by fractions of their pixels.
"""

import matplotlib.pyplot as plt

import sparsedecomp
from sparsedecomp import datasets

frames = datasets.shifted_frames(shape=(12, 12), n_frames=9, n_channels=16)
fine = sparsedecomp.super_resolve(
    frames, scale=2, random_state=0, show_progressbar=False
)

fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.3), layout="constrained")
pictures = {
    "one frame": frames[0].data,
    "super-resolved": fine.data,
    "truth": datasets.fine_truth(fine),
}
for ax, (name, cube) in zip(axes, pictures.items(), strict=True):
    ax.imshow(cube.sum(axis=-1), cmap="cividis")
    # sphinx_gallery_alt = "A coarse frame, the fine map found, and the true one."
    ax.set(title=name, xticks=[], yticks=[])

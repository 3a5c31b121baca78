"""
Maps of X-ray lines and the sum spectrum
========================================

Both are one read of the data, also of sparse counts that never become dense.
"""

import matplotlib.pyplot as plt

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(40, 40), n_channels=512, seed=1)
total = s.get_sum_spectrum()
maps = s.get_line_maps({"O K": (0.40, 0.65), "Si K": (1.6, 1.9), "Fe K": (6.2, 6.6)})

fig, axes = plt.subplots(1, 4, figsize=(11, 2.7), layout="constrained")
energy = total.axes_manager[-1]
axes[0].semilogy(energy.axis, total.data + 1, lw=0.8)
axes[0].set(xlabel=f"{energy.name} ({energy.units})", ylabel="Counts")
for ax, line, name in zip(axes[1:], maps, ("O K", "Si K", "Fe K"), strict=True):
    image = ax.imshow(line.data, cmap="cividis")
    ax.set(title=name, xticks=[], yticks=[])
# sphinx_gallery_alt = "Sum spectrum on a logarithmic scale and maps of three lines."
fig.colorbar(image, ax=axes[3], label="Counts")

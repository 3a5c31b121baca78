"""
A coarse map and a sharp image
==============================

The image of the same field makes the map of spectra sharp; the error of every pixel is
known.
"""

import hyperspy.api as hs
import numpy as np

y, x = np.mgrid[:48, :48] / 4
image = 2 + np.sin(x * y / 4) + np.cos(2 * y)
coarse = image.reshape(12, 4, 12, 4).mean(axis=(1, 3))[..., None] * np.ones(20)
coarse += 0.02 * np.random.default_rng(0).normal(size=coarse.shape)
s, guide = hs.signals.Signal1D(coarse), hs.signals.Signal2D(image)
for axis in guide.axes_manager.signal_axes:
    axis.scale, axis.offset, axis.units = 0.25, -0.375, "nm"
for axis in s.axes_manager.navigation_axes:
    axis.units = "nm"
sharp = s.fuse(guide, show_progressbar=False)

# sphinx_gallery_alt = "Coarse map, guide, sharp map and its standard deviation."
sharp.fusion.plot()

"""
Where were intensities biased?
==============================

Restored sums of regions against those of the counts, in units of the counting error.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(30, 30), n_channels=256, seed=1)
restored = s.denoise("tv", random_state=0, show_progressbar=False)
certificate = restored.restoration.certificate({"O": (0.4, 0.65), "Fe": (6.2, 6.6)})

# sphinx_gallery_alt = "Deviations of restored sums in two windows, near zero."
certificate.plot()

"""
Factors of a tilt series
========================

One map, one spectrum and one profile along the tilt for every component; the answer is
unique without pure pixels and without a prior.
"""

from sparsedecomp import datasets

s = datasets.tilt_series((16, 20), n_steps=8, n_channels=128, counts=400, seed=1)
results = s.tensor_decomposition(4, random_state=0, show_progressbar=False)

# sphinx_gallery_alt = "Maps, spectra and profiles along the tilt of four components."
results.plot()

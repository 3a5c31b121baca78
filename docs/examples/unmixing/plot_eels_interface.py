"""
EELS of an interface
====================

Edges on power-law backgrounds, with an intermixed layer between oxide and substrate.
The spectra share their background, so that non-negativity alone would say little.
"""

from sparsedecomp import datasets, plotting

s = datasets.eels_oxide_interface(shape=(32, 32), n_channels=256)
s.decomposition(algorithm="nmf_so_ard", random_state=0, print_info=False)

# sphinx_gallery_alt = "Maps of three layers and core-loss spectra beside the truth."
plotting.plot_components(s, truth=datasets.truth(s))

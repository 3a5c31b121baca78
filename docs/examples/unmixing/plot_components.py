"""
Which components, and how many?
===============================

An EDX map of particles in a film. No number of components is given; what is found
covers the truth, which is known here.
"""

from sparsedecomp import datasets, plotting

s = datasets.edx_particles(shape=(40, 40), n_channels=512, seed=1)
s.decomposition(algorithm="nmf_so_ard", random_state=0, print_info=False)

# sphinx_gallery_alt = "Maps of three components beside the true maps, and spectra."
plotting.plot_components(s, truth=datasets.truth(s))

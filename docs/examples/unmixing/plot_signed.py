"""
Principal components for comparison
===================================

The principal components of the same map have negative lobes: they span the signal, but
they are no spectra of phases.
"""

from sparsedecomp import datasets, plotting

s = datasets.edx_particles(shape=(32, 32), n_channels=256, seed=1)
s.change_dtype("float32")
s.decomposition(algorithm="SVD", output_dimension=3, print_info=False)

# sphinx_gallery_alt = "Maps and spectra of principal components, partly negative."
plotting.plot_components(s)

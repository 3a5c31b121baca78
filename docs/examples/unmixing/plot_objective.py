"""
The descent of a fit
====================

Objective over the iterations: compressed data first, exact passes over the data last.
"""

from sparsedecomp import datasets, plotting

s = datasets.edx_particles(shape=(32, 32), n_channels=256, seed=1)
s.decomposition(
    algorithm="nmf_so", output_dimension=3, random_state=0, print_info=False
)

# sphinx_gallery_alt = "Objective that falls over the iterations, with its phases."
plotting.plot_objective_history(s)

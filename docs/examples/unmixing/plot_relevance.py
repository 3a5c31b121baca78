"""
Relevance of the components
===========================

Automatic relevance determination gives each component a number; those that do not rise
above the noise fade.
"""

from sparsedecomp import NMFSOARD, datasets, plotting

s = datasets.edx_particles(shape=(32, 32), n_channels=256, seed=1)
model = NMFSOARD(random_state=0).fit(s.data.reshape(-1, 256))

# sphinx_gallery_alt = "Bars of the relevance of three components."
plotting.plot_relevance(model.relevance_)

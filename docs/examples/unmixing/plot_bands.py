"""
Bands around spectra
====================

Nine of ten such bands contain the true spectrum, if the number of components is right
and every component is absent in some pixels.
"""

from sparsedecomp import datasets
from sparsedecomp.decomposition import confidence_bands

s = datasets.edx_particles(shape=(32, 32), n_channels=256, counts=40, seed=1)
s.decomposition(
    algorithm="simplex_ml", output_dimension=3, random_state=0, print_info=False
)
spectra = s.get_component_spectra().data
bands = confidence_bands(s.data, spectra, n_halvings=2, random_state=0)

# sphinx_gallery_alt = "Three spectra with bands around them."
bands.plot()

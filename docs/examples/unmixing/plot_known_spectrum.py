"""
A known spectrum
================

Curve resolution with the spectrum of the film known: only the two others are fitted.
"""

from sparsedecomp import datasets, plotting

s = datasets.edx_particles(shape=(32, 32), n_channels=256, seed=1)
truth = datasets.truth(s)
s.decomposition(
    algorithm="mcr_als",
    output_dimension=3,
    known_spectra=truth.spectra[:1],
    random_state=0,
    print_info=False,
)

# sphinx_gallery_alt = "Maps and spectra of three components, one of them known."
plotting.plot_components(s, truth=truth)

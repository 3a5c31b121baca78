"""
How small a dose would do?
==========================

Counts are thinned, as if the dose had been smaller, and the components are compared
with those of the full dose.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(28, 28), n_channels=128)
plan = s.dose_plan(3, n_repeats=2, random_state=0, show_progressbar=False)

# sphinx_gallery_alt = "Angles to the spectra of the full dose over the dose."
plan.plot()

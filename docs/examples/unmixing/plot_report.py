"""
How unique is it?
=================

The report fits again from other starts and to resampled pixels, and compares the
spectra that linear mixing allows.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(28, 28), n_channels=128, seed=1)
s.decomposition(
    algorithm="nmf_so", output_dimension=3, random_state=0, print_info=False
)
report = s.unmixing_report(2, 2, random_state=0, show_progressbar=False)

# sphinx_gallery_alt = "Angles between fits, spectra with their range, residual."
report.plot()

"""
Defects of a data set
=====================

Cosmic rays, a dead channel and a hot pixel were put into the data. The check finds and
draws them.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(32, 40), n_channels=512, seed=1)
s.change_dtype("float32")
s.data[10, 5, 300] = 5000
s.data[3:5, 20, 100] = 3000
s.data[..., 200] = 0
check = s.check_data(energy_drift=False)

# sphinx_gallery_alt = "Intensity map and sum spectrum with the defects marked."
check.plot()

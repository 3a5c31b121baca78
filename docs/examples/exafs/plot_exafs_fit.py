"""
Shells of atoms without a structure
===================================

Oxygen at 2.08 and nickel at 2.95 angstrom are found from the elements alone.
"""

import hyperspy.api as hs
import numpy as np

from sparsedecomp.xas import FeffBasis

basis = FeffBasis.from_composition("Ni", ["O", "Ni"])
k = np.arange(1, 301) * 0.05
chi = sum(
    n * basis.channels[c].columns(k, r, sigma2=0.007)[0, 0]
    for n, c, r in ((6, 0, 2.08), (12, 1, 2.95))
)
chi = chi + np.random.default_rng(0).normal(0, 0.002, (3, 300))
s = hs.signals.Signal1D(chi)
s.axes_manager[-1].scale = s.axes_manager[-1].offset = 0.05
s.axes_manager[-1].units = "1/Angstrom"
s.set_signal_type("EXAFS")
result = s.exafs_sparse_fit(basis, random_state=0, show_progressbar=False)

# sphinx_gallery_alt = "chi(k), its transform, and the shells found with error bars."
result.plot()

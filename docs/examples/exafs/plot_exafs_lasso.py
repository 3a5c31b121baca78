"""
Lasso path of an EXAFS fit
==========================

The penalty is chosen by cross-validation over blocks of k.
"""

import hyperspy.api as hs
import numpy as np

from sparsedecomp import plotting
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
result = s.exafs_sparse_fit(
    basis, method="lasso", random_state=0, show_progressbar=False
)

# sphinx_gallery_alt = "Path of the numbers of atoms and the error held out."
plotting.plot_lasso_path(result.fits[0])

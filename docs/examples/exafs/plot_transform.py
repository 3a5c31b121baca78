"""
chi(k) and chi(R)
=================

The Fourier transform of chi(k) has the conventions of larch; peaks lie about 0.3
angstrom below the distances.
"""

import hyperspy.api as hs
import matplotlib.pyplot as plt
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
transform = s.fourier_transform(kmin=3, kmax=14, kweight=2)

fig, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
axes[0].plot(k, k**2 * s.data[0], lw=1)
axes[0].set(xlabel="k (1/\u00c5)", ylabel="k\u00b2 chi (1/\u00c5\u00b2)")
axes[1].plot(transform.axes_manager[-1].axis, abs(transform.data[0]), lw=1)
# sphinx_gallery_alt = "k-weighted chi(k), and peaks of the two shells in chi(R)."
axes[1].set(xlabel="R (\u00c5)", ylabel="|chi(R)| (1/\u00c5\u00b3)", xlim=(0, 6))

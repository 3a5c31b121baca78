"""
Distance and wavenumber at once
===============================

Heavy atoms scatter at larger k than light ones: the wavelet transform shows oxygen and
nickel at different heights.
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
power = abs(s.inav[0].wavelet(kweight=2, rmax=4.0).data)

fig, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
image = ax.imshow(
    power, origin="lower", aspect="auto", cmap="cividis", extent=(0.05, 15, 0.5, 4)
)
fig.colorbar(image, label="Magnitude (1/\u00c5\u00b2)")
# sphinx_gallery_alt = "Two maxima: oxygen at small k, nickel at larger k and R."
ax.set(xlabel="k (1/\u00c5)", ylabel="R (\u00c5), without phase correction")

"""
No pixel is pure
================

All mixtures have less than 75 per cent of any phase. The purest pixels are mixtures;
the smallest simplex, and the most likely one, look beyond them.
"""

import matplotlib.pyplot as plt
import numpy as np

from sparsedecomp import VCA, MinimumVolume, SimplexML, datasets
from sparsedecomp.metrics import match_components

rng = np.random.default_rng(0)
spectra = datasets.oxide_interface_truth((8, 8), 256, 5e4).spectra
spectra = spectra / spectra.sum(axis=1, keepdims=True)
shares = rng.dirichlet(np.ones(3), 20_000)
shares[np.arange(len(shares)), rng.integers(3, size=len(shares))] *= 0.02
shares /= shares.sum(axis=1, keepdims=True)
shares = shares[shares.max(axis=1) < 0.75][:1500]
X = rng.poisson(4e5 * shares @ spectra).astype(np.float32)

angles = {
    type(model).__name__: match_components(spectra, model.fit(X).components_)[2].mean()
    for model in (
        VCA(3, random_state=0),
        MinimumVolume(3, random_state=0),
        SimplexML(3, random_state=0),
    )
}
fig, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.barh(list(angles), list(angles.values()))
ax.invert_yaxis()
# sphinx_gallery_alt = "Bars of the mean angle to the true spectra for three methods."
ax.set_xlabel("Mean angle to the true spectra (degrees)")

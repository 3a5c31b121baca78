"""
How far apart may the spectra be?
=================================

Non-negativity allows everything between the purest pixels (inner spectra) and the most
contrasted spectra without negative channels (outer spectra).
"""

import numpy as np

from sparsedecomp import SSSVCA, plotting

rng = np.random.default_rng(0)
shares = rng.dirichlet([1, 1, 1], 400)
spectra = np.array([[1.0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 3, 1]])
X = shares[shares.max(axis=1) < 0.8] @ spectra
model = SSSVCA(3, random_state=0).fit(X)

# sphinx_gallery_alt = "Slice of the cone: pixels inside of the outer triangle."
plotting.plot_cone(model)

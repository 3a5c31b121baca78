"""
The width of an edge
====================

Many lines cross one edge; one fit to all of them gives its width with an error.
"""

import numpy as np

from sparsedecomp.superresolution import edge_width

x = np.arange(30)
rng = np.random.default_rng(0)
edges = 1 / (1 + np.exp(-0.7 * (x - rng.uniform(13, 16, (20, 1)))))
edges += 0.03 * rng.standard_normal(edges.shape)
width = edge_width(edges, step=0.2).in_units("um")

# sphinx_gallery_alt = "Points of the edge and the fitted logistic curve."
width.plot()

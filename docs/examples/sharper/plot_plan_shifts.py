"""
Which shifts should be measured?
================================

Three shifts cannot determine a map two and a half times finer; the plan says where, and
proposes others.
"""

import sparsedecomp

plan = sparsedecomp.plan_shifts(500, [(0, 0), (0, 200), (200, 0)], fine_step=200)

# sphinx_gallery_alt = "Shifts of the frames and the noise of every spatial frequency."
plan.plot()

"""How a coarse cube and a sharp guide see one specimen: grids, point spread, bands."""

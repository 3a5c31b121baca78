"""Spectra from the shape of the cloud of pixels: corners, cones, simplices."""

"""Unmixing by the simplex under which the cloud of pixels is most likely."""

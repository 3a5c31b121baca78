"""Compiled loops on plain arrays.

Every file imports NumPy, numba and `math` only, and no other kernel: numba's cache does
not notice that a function in another file was edited. Kernels are serial and release
the GIL; the blocks of a matrix are worked on in parallel.
"""

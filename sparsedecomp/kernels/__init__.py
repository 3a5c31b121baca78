"""Compiled loops: plain arrays in, plain arrays out.

Every file stands alone and imports NumPy, numba and `math` only: numba's cache does
not notice an edited callee in another file. Kernels are serial and release the GIL;
parallelism comes from the blocks.
"""

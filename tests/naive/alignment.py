"""Spectra moved along their energy axis, one channel after the other."""

import math


def shift_spectrum(x, shift):
    """Quadratic B-spline at ``e + shift`` for every channel ``e``."""
    last, moved = len(x) - 1, []
    for e in range(len(x)):
        total = 0.0
        for k in range(math.floor(e + shift) - 2, math.floor(e + shift) + 4):
            u = abs(k - e - shift)
            if u <= 0.5:
                weight = 0.75 - u * u
            elif u <= 1.5:
                weight = 0.5 * (1.5 - u) ** 2
            else:
                weight = 0.0
            total += weight * x[min(max(k, 0), last)]
        moved.append(total)
    return moved

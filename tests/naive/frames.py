"""Frames of a scene that is known everywhere."""

import numpy as np

SHIFTS = np.array([(0, 0), (0.4, 0.1), (0.8, -0.4), (0.35, 0.7), (-0.3, 0.4)])


def scene(y, x):
    """Waves up to beyond what a frame alone can sample."""
    rng = np.random.default_rng(1)
    total = 0
    for _ in range(60):
        q = rng.normal(0, 1.6, 2)
        total = total + np.cos(q[0] * y + q[1] * x + rng.uniform(0, 6)) / (1 + q @ q)
    return total


def frames(shifts=SHIFTS, n=30, noise=0.05, seed=0):
    i = np.arange(n, dtype=float)
    Y = np.stack([scene((i + a)[:, None], i + b) for a, b in shifts])
    return (Y + noise * np.random.default_rng(seed).normal(size=Y.shape))[..., None]


def error_of(shifts, true=SHIFTS):
    e = shifts - true
    return np.sqrt(np.mean((e - e.mean(axis=0)) ** 2))

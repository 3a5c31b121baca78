"""Sparse codes of patches with gaps, against least squares on the measured pixels."""

import numpy as np

from sparsedecomp.kernels.masked_pursuit import code_masked


def written_out(Y, measured, D, tolerance, max_atoms):
    """Greedy choice of atoms, and least squares on those chosen."""
    patches = np.zeros_like(Y)
    for i, (y, known) in enumerate(zip(Y, measured, strict=True)):
        part, chosen = D[:, known], []
        norms = np.linalg.norm(part, axis=1)
        left = y[known]
        weights = np.zeros((0, y.shape[1]))
        most = min(max_atoms, max(known.sum() // 2, 1)) if known.any() else 0
        while len(chosen) < most and np.square(left).mean() > tolerance:
            usable = norms**2 >= 1e-3
            score = np.where(usable, np.square(part @ left).sum(axis=1), 0)
            score /= np.where(usable, norms, 1) ** 2
            score[chosen] = 0
            if not score.max() > 0:
                break
            chosen.append(int(np.argmax(score)))
            weights = np.linalg.lstsq(part[chosen].T, y[known], rcond=None)[0]
            left = y[known] - part[chosen].T @ weights
        if chosen:
            patches[i] = D[chosen].T @ weights
    return patches


def test_codes_are_the_least_squares_of_the_atoms_chosen(run, rng):
    D = rng.normal(size=(20, 12)).astype(np.float32)
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Y = rng.normal(size=(25, 12, 2)).astype(np.float32)
    measured = rng.random((25, 12)) < 0.6
    measured[0], measured[1] = False, True
    Y[2] = 0
    patches = np.empty_like(Y)
    run(code_masked, Y, measured, D, 0.2, 5, patches)
    expected = written_out(Y, measured, D, 0.2, 5)
    np.testing.assert_allclose(patches, expected, rtol=2e-3, atol=2e-3)


def test_an_atom_that_others_contain_is_not_used_twice(run):
    D = np.eye(3, 4, dtype=np.float32)
    D = np.vstack([D, D[:1], np.zeros((1, 4), np.float32)])
    Y = np.array([[[2.0], [0.0], [0.0], [1.0]]], np.float32)
    measured = np.array([[True, True, True, True]])
    patches = np.empty_like(Y)
    run(code_masked, Y, measured, D, 0.0, 4, patches)
    np.testing.assert_allclose(patches[0, :, 0], [2, 0, 0, 0], atol=1e-6)


def test_an_atom_that_nearly_is_one_in_use_is_left_out(run):
    D = np.array([[1, 0, 0, 0], [1, 1e-3, 0, 0]], np.float32)
    Y = np.array([[[1.0], [0.5], [0.0], [0.0]]], np.float32)
    patches = np.empty_like(Y)
    run(code_masked, Y, np.ones((1, 4), bool), D, 0.0, 2, patches)
    np.testing.assert_allclose(patches[0, :, 0], [1, 1e-3, 0, 0], atol=2e-3)

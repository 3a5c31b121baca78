"""Patches of images as few atoms: learnt, denoised, made finer."""

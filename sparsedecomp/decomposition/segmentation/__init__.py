"""Segmentation: k-means of compositions, and mixtures with a Potts prior."""

"""Gaussian processes whose covariance knows the guide."""

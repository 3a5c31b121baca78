"""Drift of the energy axis during a scan."""

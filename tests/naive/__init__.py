"""Slow and obvious: what the fast code is compared with."""

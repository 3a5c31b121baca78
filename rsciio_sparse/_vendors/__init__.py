"""Counts straight from the files of the makers of detectors, without dense cubes."""

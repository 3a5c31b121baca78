"""Hyper-parameters by trials that are few because each is costly."""

"""From counted photons to chi(k)."""

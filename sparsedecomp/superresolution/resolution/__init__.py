"""How fine a map is."""

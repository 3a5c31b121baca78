"""From chi(k) to distances, and back."""

"""What FEFF says of one atom at any distance, and bases without it."""

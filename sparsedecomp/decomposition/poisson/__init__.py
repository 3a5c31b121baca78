"""Non-negative factors of counts, by their likelihood."""

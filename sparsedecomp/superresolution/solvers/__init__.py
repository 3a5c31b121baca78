"""The fine map behind shifted frames, by different models, and which to take."""

"""Where the frames lie."""

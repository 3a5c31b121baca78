"""What HyperSpy sees of this package: algorithms, driver and signal methods."""

"""How far the data determine an unmixing."""

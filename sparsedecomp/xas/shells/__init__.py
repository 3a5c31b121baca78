"""From chi(k) to the shells of atoms around the absorber."""

"""Services and what they depend on: the map, and a page for each."""

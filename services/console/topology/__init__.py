"""Services and their dependencies: the map, and a page for each."""

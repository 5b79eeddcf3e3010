"""How the tests reach the running platform: its API, its backends, its processes."""

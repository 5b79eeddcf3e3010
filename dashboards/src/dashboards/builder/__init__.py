"""Builds the dashboards' JSON. `python -m dashboards.builder` writes it, `--check` reports whether it is current."""

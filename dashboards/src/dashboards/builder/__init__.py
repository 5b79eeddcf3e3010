"""Builds the dashboards' JSON. `python -m dashboards.builder` writes it, `--check` says whether it is current."""

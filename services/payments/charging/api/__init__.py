"""The internal HTTP interface."""

"""Environment variables, settings, URLs and server configuration of the console."""

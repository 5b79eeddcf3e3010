"""Builds the documentation site: reference pages from code, measurements from results files."""

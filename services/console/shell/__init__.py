"""Shared by all pages: layout, login, roles, time range, links, fragments, runbooks."""

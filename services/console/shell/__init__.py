"""What every page shares: layout, login, roles, time range, links, fragments, runbooks."""

"""The evidence on an incident's page, one module per panel. A backend's BackendDown is passed on."""

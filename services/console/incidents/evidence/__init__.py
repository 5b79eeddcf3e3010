"""What an incident's page gathers by itself, one module for each panel. BackendDown from a backend goes through."""

"""One client for each telemetry backend. Each call has a timeout and raises `errors.BackendDown` when it fails."""

"""Tasks for developers: lint, test suites, generated files, the probe."""

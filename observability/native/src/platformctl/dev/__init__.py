"""Tasks of developers: lint, test suites, generated files, the probe order."""

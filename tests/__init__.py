"""End-to-end tests of the running platform: `make up`, then `make test-e2e`."""

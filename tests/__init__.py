"""End to end, over the running platform: `make up`, then `make test-e2e`."""

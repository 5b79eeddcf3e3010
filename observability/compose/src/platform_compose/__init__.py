"""What docker compose needs beyond its file: secrets, set-up jobs and the generated parts of the configuration."""

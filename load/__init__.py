"""Load on the platform's public API: journeys (Locust), the `run` command, and the steady background traffic."""

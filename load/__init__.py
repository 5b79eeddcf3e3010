"""Load on the platform's public API: Locust journeys, the `run` command and the steady background traffic."""

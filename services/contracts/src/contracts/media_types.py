"""Media types of the API, without Django imports so that gunicorn's master can import them."""

PROBLEM = "application/problem+json"

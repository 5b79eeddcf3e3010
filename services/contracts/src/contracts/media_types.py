"""Media types that the wire knows, free of Django so that gunicorn's master can import them."""

PROBLEM = "application/problem+json"

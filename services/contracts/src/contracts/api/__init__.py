"""HTTP conventions of every service: problem+json, strict JSON, authentication, health, paging, OpenAPI."""

"""HTTP conventions of all services: problem+json, strict JSON, authentication, health, paging, OpenAPI."""

"""Wire-level conventions of all services: gRPC and event schemas, problems, tokens, health, the catalogue.

This package contains no models or rules of a service. Code that only one service needs stays in that service.
"""

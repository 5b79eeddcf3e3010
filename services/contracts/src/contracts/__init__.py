"""Wire-level conventions that every service follows: gRPC and event schemas, problems, tokens, health, the catalogue.

Nothing here knows a service's models or rules. What one service alone needs stays in that service.
"""

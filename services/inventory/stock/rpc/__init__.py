"""The gRPC server of this service: contracts.inventory.v1."""

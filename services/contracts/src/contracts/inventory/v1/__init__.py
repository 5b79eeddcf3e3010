"""inventory.v1, generated from inventory.proto by generate.sh."""

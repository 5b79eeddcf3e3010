"""The job that rolls log indices over and drops what is too old: this Elasticsearch has no lifecycle management."""

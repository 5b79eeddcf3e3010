"""Rolls indices over and deletes old ones, because this Elasticsearch has no lifecycle management."""

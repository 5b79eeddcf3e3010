"""Metrics of the log pipeline, measured where it ends: in Elasticsearch's search, and in the shipper's own figures."""

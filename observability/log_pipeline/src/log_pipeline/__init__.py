"""Metrics of the log pipeline, measured at its end: from Elasticsearch's search and the shipper's own counters."""

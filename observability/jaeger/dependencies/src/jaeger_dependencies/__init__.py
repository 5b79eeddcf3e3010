"""Fills Jaeger's dependency graph.

With Elasticsearch as storage, /api/dependencies reads the output of a batch job, officially a Spark job. This is a
small one that runs every minute and lets Elasticsearch do the counting.
"""

"""Fills Jaeger's dependency graph.

With Elasticsearch as storage, /api/dependencies shows what a batch job has written; officially a Spark job. This is a
small one that keeps up by the minute and asks Elasticsearch to do the counting.
"""

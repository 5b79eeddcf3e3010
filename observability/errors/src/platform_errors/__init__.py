"""Receives errors in Sentry's protocol and stores them in a data stream of Elasticsearch, grouped."""

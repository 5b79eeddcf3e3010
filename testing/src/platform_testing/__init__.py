"""Test helpers that every package of this repository uses.

A package of its own, without dependencies, so that tox can install it beside django_telemetry alone: contracts would
bring Django REST framework, pika and gRPC into the environments that prove what the library works with. tenacity was
the alternative for polling; it retries, but what a failed test prints (expected, got, look at) would still be ours.
"""

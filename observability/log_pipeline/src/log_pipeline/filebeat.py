"""Filebeat's counters as shipper, from its HTTP endpoint /stats."""

from __future__ import annotations

import time

import requests

from log_pipeline.shipper import Shipper

TIMEOUT_SECONDS = 3.0
NAME = "filebeat"


def read(url: str, session: requests.Session) -> Shipper:
    """Its current counters. Empty if it doesn't respond, as for a shipper that has not written any."""
    try:
        answer = session.get(f"{url}/stats", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        figures = answer.json()["libbeat"]
        waiting, sent = figures["pipeline"]["events"], figures["output"]["events"]
        return Shipper(
            at=time.time(),
            queues={NAME: int(waiting["active"])},
            processed={NAME: int(sent["total"])},
            failed={NAME: int(sent["failed"]) + int(sent["dropped"])},
            delivered=int(sent["acked"]),
        )
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return Shipper()

"""Every link of an alert opens a page about its subject."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import yaml
from django.test import Client

RULES = Path(__file__).resolve().parents[4] / "alerts" / "rules"
LABELS = {"service": "orders", "dependency": "payments", "process": "orders-relay", "queue": "notifications.orders"}
# The host is the console's unless an external label of Prometheus names another.
_ADDRESS = re.compile(r'\{\{ or \$externalLabels\.\w+ "(http://[^"]+)" \}\}')
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def _links() -> dict[str, str]:
    """Return the alert's name by the URL of each link, as Prometheus would expand it for some labels."""
    found = {}
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                for name, value in rule.get("annotations", {}).items():
                    if name.endswith("_url"):
                        address = _ADDRESS.sub(r"\1", value)
                        found[_LABEL.sub(lambda label: LABELS.get(label[1], "orders"), address)] = rule["alert"]
    return found


LINKS = _links()


def test_there_are_links_of_each_kind() -> None:
    assert {urlsplit(link).path.split("/")[1] for link in LINKS} == {"runbooks", "dashboards", "traces", "logs"}
    assert not [link for link in LINKS if "{{" in link], "a template that this test doesn't fill in"


def test_each_link_opens_its_subject(viewer_client: Client) -> None:
    wrong = []
    for link, alert in LINKS.items():
        parts = urlsplit(link)
        answer = viewer_client.get(f"{parts.path}?{parts.query}", follow=True)
        room, _, rest = parts.path.removeprefix("/").partition("/")
        query = dict(parse_qsl(parts.query))
        named = {
            "runbooks": f"<h1>{rest}</h1>",
            "dashboards": rest,
            "traces": query.get("service", ""),
            "logs": query.get("query", ""),
        }[room]
        if answer.status_code != 200:
            wrong.append(f"{alert}: {link} answered {answer.status_code}")
        elif not named or named not in html.unescape(answer.content.decode()):
            wrong.append(f"{alert}: {link} shows nothing of {named!r}")
    assert not wrong, "\n".join(wrong)

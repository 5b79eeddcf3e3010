"""The two mounted configurations in real Filebeat: what containers write arrives once, with its service and process.

Filebeat is OSS 7.17.28, the newest that can be built from its Go module; the image is of a newer release. Both have the
same Docker provider, hints and parsers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from platform_testing.polling import eventually

from tests import stack
from tests.filebeat import Container, Engine, Filebeat, LogstashInput, with_root_page

pytestmark = pytest.mark.slow
OBSERVABILITY = stack.ROOT / "observability"
# Filebeat looks for new files every ten seconds.
ARRIVAL_SECONDS = 60
TIMEOUT_SECONDS = 10
LABELS = {"co.elastic.logs/enabled": "true", "platform_service": "shop", "platform_process": "shop-worker"}


def line(message: str) -> str:
    """A line as the library writes it, with names that contain dots."""
    document = {
        "@timestamp": datetime.now(UTC).isoformat(),
        "message": message,
        "log.level": "warning",
        "service.name": "shop",
        "process.name": "shop",
        "event": {"id": uuid.uuid4().hex, "dataset": "application"},
        "trace": {"id": uuid.uuid4().hex},
    }
    return json.dumps(document)


@pytest.fixture
def binary() -> Path:
    found = stack.built("filebeat")
    if not found.is_file():
        pytest.skip("no Filebeat here: observability/compose/tools/build filebeat")
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    # A unix socket's path has at most 107 characters.
    path = Path(tempfile.mkdtemp(prefix="filebeat-"))
    yield path
    shutil.rmtree(path)


@dataclass
class Shipping:
    """Containers, Filebeat that reads their lines, and what arrived."""

    engine: Engine
    filebeat: Filebeat
    arrived: Callable[[], list[dict[str, Any]]]

    def container(self, labels: dict[str, str] = LABELS) -> Container:
        return self.engine.start("shop-1", labels)

    def wait_for(self, messages: list[str]) -> dict[str, dict[str, Any]]:
        """Message → document, once exactly these messages have arrived."""
        wanted = Counter(messages)
        documents: list[dict[str, Any]] = []

        def differing() -> Counter[str]:
            """Messages that are missing or that arrived more than once, each with the difference."""
            documents[:] = self.arrived()
            here = Counter(each["message"] for each in documents)
            return Counter({each: here[each] - wanted[each] for each in here | wanted if here[each] != wanted[each]})

        eventually(
            differing,
            f"{len(messages)} documents, each once",
            accept=lambda different: not different,
            timeout=ARRIVAL_SECONDS,
            look_at=self.filebeat.log,
        )
        return {each["message"]: each for each in documents}


@pytest.fixture
def index() -> Iterator[str]:
    """An index of Elasticsearch with the platform's mappings, which no dashboard and no alert reads.

    No data stream: the server from Maven can create one, and has no call to delete it.
    """
    url = os.environ.get("TEST_ELASTICSEARCH_URL")
    if not url:
        pytest.skip("needs Elasticsearch: make up, then platformctl env tests")
    name = f"logs-filebeat_test-{uuid.uuid4().hex[:8]}"
    template = json.loads((OBSERVABILITY / "elasticsearch/index-templates/logs-django.json").read_text())["template"]
    requests.put(f"{url}/{name}", json=template, timeout=TIMEOUT_SECONDS).raise_for_status()
    yield f"{url}/{name}"
    requests.delete(f"{url}/{name}", timeout=TIMEOUT_SECONDS).raise_for_status()


def stored(index: str) -> list[dict[str, Any]]:
    """The documents of the index, each with its id as `_id`."""
    requests.post(f"{index}/_refresh", timeout=TIMEOUT_SECONDS)
    found = requests.get(f"{index}/_search?size=1000", timeout=TIMEOUT_SECONDS)
    hits = found.json()["hits"]["hits"] if found.status_code == 200 else []
    return [{**hit["_source"], "_id": hit["_id"]} for hit in hits]


def received(logstash: LogstashInput) -> list[dict[str, Any]]:
    """The events, each with the id that Logstash's output would give it as `_id`."""
    return [
        {**{key: value for key, value in event.items() if key != "@metadata"}, "_id": event["event"]["id"]}
        for event in list(logstash.events)
    ]


@pytest.fixture(params=["full", "light"])
def shipping(request: pytest.FixtureRequest, binary: Path, folder: Path) -> Iterator[Shipping]:
    """Each configuration: full to Logstash's input, light to Elasticsearch."""
    is_light = request.param == "light"
    name = "filebeat.light.yml" if is_light else "filebeat.yml"
    engine = Engine(folder / "containers")
    with ExitStack() as context:
        arrived: Callable[[], list[dict[str, Any]]]
        options: tuple[str, ...] = ()
        if is_light:
            place = request.getfixturevalue("index")
            url, _, index = place.rpartition("/")
            environment = {
                "ELASTICSEARCH_URL": context.enter_context(with_root_page(url)),
                "ELASTICSEARCH_PASSWORD": "unused",
            }
            options = ("-E", f"output.elasticsearch.index={index}")
            arrived = lambda: stored(place)  # noqa: E731
        else:
            logstash = context.enter_context(LogstashInput().listening())
            environment = {"LOGSTASH_HOST": logstash.address}
            arrived = lambda: received(logstash)  # noqa: E731
        address = context.enter_context(engine.listening(folder / "docker.sock"))
        text = (OBSERVABILITY / "filebeat" / name).read_text()
        filebeat = Filebeat(binary, text, folder, address, folder / "containers", environment, options)
        yield Shipping(engine, filebeat, arrived)


def test_lines_of_a_container_arrive_as_documents(shipping: Shipping) -> None:
    before = shipping.container()
    before.write(line("written before Filebeat started"), "Traceback (most recent call last):")
    ignored = shipping.container({"platform_service": "shop"})
    ignored.write(line("of a container without the label"))
    with shipping.filebeat.running():
        shipping.wait_for(["written before Filebeat started", "Traceback (most recent call last):"])
        after = shipping.container()
        after.write(line("of a container that starts later"), "  indented, and no JSON", "{no JSON either")
        documents = shipping.wait_for(
            [
                "written before Filebeat started",
                "Traceback (most recent call last):",
                "of a container that starts later",
                "  indented, and no JSON",
                "{no JSON either",
            ]
        )
    own = documents["of a container that starts later"]
    assert own["_id"] == own["event"]["id"]
    assert (own["service"], own["process"]) == ({"name": "shop"}, {"name": "shop"})
    assert own["log"]["level"] == "warning"
    assert set(own["trace"]) == {"id"}
    # A line that is no JSON: whose it is, from the container's labels.
    raw = documents["  indented, and no JSON"]
    assert raw["_id"] == raw["event"]["id"]
    assert raw["event"] == {"id": raw["_id"], "dataset": "raw", "kind": "event"}
    assert (raw["service"], raw["process"]) == ({"name": "shop"}, {"name": "shop-worker"})
    assert raw["log"] == {"level": "info"}
    assert set(raw) <= {"_id", "@timestamp", "@version", "message", "event", "log", "service", "process", "ecs"}
    errors = [each for each in shipping.filebeat.log.read_text().splitlines() if "\tERROR\t" in each]
    assert errors == [], "a line that is no JSON is none of Filebeat's errors"


def test_lines_arrive_once_over_rotations_and_restarts(shipping: Shipping) -> None:
    container = shipping.container()
    written: list[str] = []

    def write(part: str) -> None:
        messages = [f"{part} {number}" for number in range(50)]
        container.write(*(line(message) if number % 5 else message for number, message in enumerate(messages)))
        written.extend(messages)

    with shipping.filebeat.running():
        write("first file")
        shipping.wait_for(written)
        container.rotate()
        write("second file")
        shipping.wait_for(written)
        write("end of the second file")
        container.rotate()
        write("third file")
        shipping.wait_for(written)
    write("while Filebeat was stopped")
    container.rotate()
    write("after a rotation while Filebeat was stopped")
    with shipping.filebeat.running():
        shipping.wait_for(written)
        write("after its restart")
        shipping.wait_for(written)


def check(shipping: Shipping) -> subprocess.CompletedProcess[str]:
    """Run the container's health check."""
    filebeat = shipping.filebeat
    command = ["sh", str(OBSERVABILITY / "compose" / "shipping"), str(filebeat.port), str(filebeat.logs)]
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(filebeat.folder)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)


def test_the_health_check_notices_that_nothing_is_shipped(shipping: Shipping) -> None:
    container = shipping.container()
    fields = "${data.container.id}"
    assert fields in shipping.filebeat.configuration
    # The mistake of an earlier release: the template fails, which Filebeat reports at the level debug only.
    shipping.filebeat.configuration = shipping.filebeat.configuration.replace(fields, "${data.docker.container.id}")
    with shipping.filebeat.running():
        assert check(shipping).returncode == 0, "nothing was written since it started"
        container.write(line("is not shipped"))
        failed = eventually(lambda: check(shipping), "a failed check", accept=lambda done: done.returncode == 1)
        assert "was written to after the last line was shipped, and 0 are shipped" in failed.stdout
        assert shipping.arrived() == []


def test_its_figures_count_what_was_shipped(shipping: Shipping) -> None:
    container = shipping.container()
    with shipping.filebeat.running():
        assert check(shipping).returncode == 0
        container.write(*(line(f"number {number}") for number in range(20)))
        shipping.wait_for([f"number {number}" for number in range(20)])
        eventually(
            lambda: shipping.filebeat.stats()["libbeat"]["output"]["events"]["acked"],
            "twenty acknowledged events",
            accept=lambda acked: acked >= 20,
        )
        assert shipping.filebeat.stats()["filebeat"]["events"]["added"] >= 20
        assert check(shipping).returncode == 0

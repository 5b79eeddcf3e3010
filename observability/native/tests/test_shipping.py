"""The log shipper, a real rsyslog: every line arrives, even if processes are killed. Elasticsearch is a stub."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
from platform_testing.http import StubServer, json_response
from platform_testing.polling import eventually
from werkzeug import Request, Response

INDEX = "logs-django-default"
PROCESS = "orders"


class Store:
    """Elasticsearch's /_bulk as a shipper uses it: `create` by id, with configurable refusals."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.attempts: Counter[str] = Counter()
        self.refusals: dict[str, list[int]] = {}
        self._lock = threading.Lock()
        # Started again after a `stop`, it listens on the same port as before.
        self.server = StubServer(self.respond)

    def respond(self, request: Request) -> Response:
        return json_response(self.bulk(request.get_data(as_text=True).splitlines()) if request.method == "POST" else {})

    def bulk(self, lines: list[str]) -> dict[str, Any]:
        """Respond to a bulk request."""
        items = []
        with self._lock:
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                create = json.loads(action)["create"]
                assert create["_index"] == INDEX
                items.append({"create": self._create(create["_id"], json.loads(document))})
        return {"took": 1, "errors": any(item["create"]["status"] != 201 for item in items), "items": items}

    def _create(self, key: str, document: dict[str, Any]) -> dict[str, Any]:
        self.attempts[key] += 1
        answer: dict[str, Any] = {"_index": INDEX, "_id": key}
        refusals = self.refusals.get(key, [])
        if refusals:
            status = refusals[0] if len(refusals) == 1 and refusals[0] == 400 else refusals.pop(0)
            return answer | {"status": status, "error": {"type": f"refused_{status}", "reason": "as configured"}}
        if key in self.documents:
            error = {"type": "version_conflict_engine_exception", "reason": "exists"}
            return answer | {"status": 409, "error": error}
        self.documents[key] = document
        return answer | {"status": 201, "result": "created"}


class Shipper:
    """rsyslog reading the log of one process."""

    def __init__(self, root: Path, folder: Path, port: int) -> None:
        self.log = folder / "log"
        self.work = folder / "work"
        self._start_script = root / "observability" / "rsyslog" / "start"
        self._configuration = folder / "rsyslog.conf"
        template = (root / "observability" / "rsyslog" / "rsyslog.conf.j2").read_text()
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        self._configuration.write_text(
            environment.from_string(template).render(
                processes=[{"process": PROCESS, "service": PROCESS}, {"process": "orders-relay", "service": PROCESS}],
                log=self.log,
                work=self.work,
                index=INDEX,
                elasticsearch_port=port,
            )
        )
        self.log.mkdir()
        (self.log / f"{PROCESS}.log").touch()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it has read its configuration."""
        command = ["sh", str(self._start_script), str(self._configuration), str(self.work), str(self.log)]
        with (self.log / "rsyslog.log").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out)
        eventually((self.work / "rsyslog.pid").exists, "rsyslog to start", look_at=self.log / "rsyslog.log")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(15)

    def write(self, first: int, count: int) -> None:
        """Append lines with the ids e<first>, e<first + 1>, ..."""
        with (self.log / f"{PROCESS}.log").open("a") as file:
            for number in range(first, first + count):
                file.write(json.dumps({"event.id": f"e{number}", "message": "x" * 200}) + "\n")

    def write_raw(self, text: str) -> None:
        """Append text unchanged."""
        with (self.log / f"{PROCESS}.log").open("a") as file:
            file.write(text)

    def rotate(self, stamp: str) -> None:
        """Rotate as process-compose does: rename, and a new file under the old name."""
        current = self.log / f"{PROCESS}.log"
        current.rename(self.log / f"{PROCESS}-2026-01-01T00-00-{stamp}.log")
        current.touch()


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    with made.server:
        yield made


@pytest.fixture
def shipper(root: Path, tmp_path: Path, store: Store) -> Iterator[Shipper]:
    assert shutil.which("rsyslogd"), "rsyslogd is missing: run `make up` first"
    made = Shipper(root, tmp_path, store.server.port)
    yield made
    made.stop()


def arrived(store: Store, count: int) -> Callable[[], bool]:
    return lambda: len(store.documents) >= count


def ids(count: int) -> set[str]:
    return {f"e{number}" for number in range(count)}


def test_every_line_arrives_unchanged_with_its_own_id(store: Store, shipper: Shipper) -> None:
    shipper.start()
    line = {"event.id": "e0", "message": '100 % "quoted" \\ ünï 🎉 \x1b[0m', "http.response.status_code": 200}
    shipper.write_raw(json.dumps(line, ensure_ascii=False) + "\n")
    eventually(arrived(store, 1), "the line")
    assert store.documents["e0"] == line | {"process": {"name": PROCESS}}


def test_a_line_that_is_not_json_becomes_a_document_of_its_service(store: Store, shipper: Shipper) -> None:
    shipper.start()
    shipper.write_raw("Segmentation fault (core dumped)\n\n   \n{not json\n")
    eventually(arrived(store, 2), "both lines")
    documents = {document["message"]: document for document in store.documents.values()}
    assert set(documents) == {"Segmentation fault (core dumped)", "{not json"}
    document = documents["{not json"]
    assert document["service"] == {"name": PROCESS}
    assert document["process"] == {"name": PROCESS}
    assert document["event"]["kind"] == "event"
    assert document["@timestamp"].startswith("20")


def test_a_long_line_arrives_complete(store: Store, shipper: Shipper) -> None:
    shipper.start()
    shipper.write_raw(json.dumps({"event.id": "long", "message": "y" * 200_000}) + "\n")
    eventually(arrived(store, 1), "the line")
    assert len(store.documents["long"]["message"]) == 200_000


def test_rotation_loses_no_line_and_resends_very_few(store: Store, shipper: Shipper) -> None:
    shipper.start()
    for turn in range(10):
        shipper.write(turn * 500, 500)
        shipper.rotate(f"0{turn}.000")
    eventually(arrived(store, 5000), "all lines")
    assert set(store.documents) == ids(5000)
    assert sum(store.attempts.values()) < 8000


def test_lines_written_and_rotated_while_it_was_stopped_arrive(store: Store, shipper: Shipper) -> None:
    shipper.start()
    shipper.write(0, 100)
    eventually(arrived(store, 100), "the first lines")
    shipper.stop()
    shipper.write(100, 100)
    shipper.rotate("01.000")
    shipper.write(200, 100)
    shipper.start()
    eventually(arrived(store, 300), "all lines")
    assert set(store.documents) == ids(300)


def test_every_line_arrives_after_repeated_kills_during_an_elasticsearch_outage(store: Store, shipper: Shipper) -> None:
    shipper.start()
    shipper.write(0, 1000)
    store.server.stop()
    shipper.write(1000, 1000)
    shipper.kill()
    shipper.rotate("01.000")
    shipper.write(2000, 1000)
    shipper.start()
    shipper.write(3000, 1000)
    shipper.kill()
    shipper.start()
    store.server.start()
    shipper.write(4000, 1000)
    eventually(arrived(store, 5000), "all lines", timeout=60)
    assert set(store.documents) == ids(5000)


def test_lines_read_before_a_stop_during_an_elasticsearch_outage_are_sent_after_the_start(
    store: Store, shipper: Shipper
) -> None:
    store.server.stop()
    shipper.start()
    shipper.write(0, 500)
    eventually(lambda: any(shipper.work.glob("imfile-state:*")), "rsyslog to have read the lines")
    shipper.stop()
    store.server.start()
    shipper.start()
    eventually(arrived(store, 500), "the lines", timeout=30)
    assert set(store.documents) == ids(500)


def test_a_temporary_refusal_is_retried(store: Store, shipper: Shipper) -> None:
    store.refusals = {"e3": [429, 503], "e7": [429]}
    shipper.start()
    shipper.write(0, 10)
    eventually(arrived(store, 10), "all lines", timeout=30)
    assert set(store.documents) == ids(10)
    assert store.attempts["e3"] == 3


def test_a_permanent_refusal_is_stored_with_its_reason_and_does_not_block_the_queue(
    store: Store, shipper: Shipper
) -> None:
    store.refusals = {"e3": [400]}
    shipper.start()
    shipper.write(0, 10)
    rejected = shipper.log / "rsyslog-rejected.json"
    eventually(lambda: rejected.exists() and rejected.read_text().endswith("\n"), "the rejected line")
    (line,) = rejected.read_text().splitlines()
    kept = json.loads(line)
    assert (kept["status"], kept["error"]["type"]) == (400, "refused_400")
    assert kept["document"]["event.id"] == "e3"
    eventually(arrived(store, 9), "the other lines")
    assert set(store.documents) == ids(10) - {"e3"}
    assert store.attempts["e3"] == 1


def test_the_logs_of_two_processes_of_a_service_are_distinguished(store: Store, shipper: Shipper) -> None:
    (shipper.log / "orders-relay.log").write_text('{"event.id": "relay"}\n')
    shipper.start()
    shipper.write(0, 1)
    eventually(arrived(store, 2), "both lines")
    names = {key: document["process"]["name"] for key, document in store.documents.items()}
    assert names == {"relay": "orders-relay", "e0": "orders"}

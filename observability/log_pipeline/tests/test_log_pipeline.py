"""Reading the counters of Elasticsearch, rsyslog and Filebeat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from log_pipeline import elasticsearch, filebeat, shipper
from log_pipeline.__main__ import PipelineCollector, _shipper, main
from log_pipeline.settings import Settings, load
from platform_settings.testing import GENERATED, check_wrong_value
from platform_testing.http import StubServer, json_response

STATS = """Sun Nov 22 12:17:09 2026: { "name": "elasticsearch", "origin": "core.action", "processed": 5, "failed": 0 }
Sun Nov 22 12:17:09 2026: { "name": "main Q", "origin": "core.queue", "size": 3, "enqueued": 9 }
not a line of figures
Sun Nov 22 12:17:19 2026: { "name": "es", "origin": "omelasticsearch", "response.success": 5, "response.duplicate": 1 }
Sun Nov 22 12:17:19 2026: { "name": "elasticsearch", "origin": "core.action", "processed": 8, "failed": 2 }
Sun Nov 22 12:17:19 2026: { "name": "main Q", "origin": "core.queue", "size": 7, "enqueued": 19 }
Sun Nov 22 12:17:19 2026: { "name": "main Q", "origin": "core.que"""


class Stub:
    """Responds as Elasticsearch does."""

    def __init__(self) -> None:
        self.services: dict[str, tuple[float, int]] = {"orders": (1_700_000_000_000.0, 12)}
        self.blocks: dict[str, str] = {}
        # The part of Filebeat 8's response that is read.
        self.filebeat: Any = {
            "libbeat": {
                "output": {"events": {"acked": 90, "active": 4, "dropped": 1, "failed": 2, "total": 97}},
                "pipeline": {"events": {"active": 1500, "published": 1600}},
            }
        }
        self.url = ""

    def answer(self, path: str) -> Any:
        if "_settings" in path:
            return {"logs": {"settings": self.blocks}, "other": {"settings": {}}}
        if path == "/stats":
            return self.filebeat
        if "_cat" in path:
            return [{"disk.used": "30", "disk.total": "40"}, {"disk.used": None, "disk.total": None}]
        buckets = [
            {"key": name, "newest": {"value": at}, "recent": {"doc_count": count}}
            for name, (at, count) in self.services.items()
        ]
        return {"aggregations": {"services": {"buckets": buckets}}}


@pytest.fixture
def stub() -> Iterator[Stub]:
    found = Stub()
    with StubServer(lambda request: json_response(found.answer(request.path))) as server:
        found.url = server.url
        yield found


def test_a_query_returns_lines_blocks_and_disk(stub: Stub) -> None:
    stub.blocks = {"index.blocks.read_only_allow_delete": "true"}
    seen = elasticsearch.look(stub.url, requests.Session())
    assert seen == elasticsearch.Snapshot(True, 1, 0.75, {"orders": 1_700_000_000.0}, {"orders": 12})


def test_an_unavailable_elasticsearch_is_not_up() -> None:
    assert elasticsearch.look("http://127.0.0.1:1", requests.Session()) == elasticsearch.Snapshot()


def test_the_last_counters_of_the_shipper_are_used(tmp_path: Path) -> None:
    (tmp_path / "stats").write_text(STATS)
    found = shipper.read(tmp_path / "stats")
    assert (found.queues, found.processed, found.failed) == ({"main Q": 7}, {"elasticsearch": 8}, {"elasticsearch": 2})
    assert found.delivered == 6
    assert found.at > 0


def test_a_shipper_without_counters_has_no_figures(tmp_path: Path) -> None:
    assert shipper.read(tmp_path / "none") == shipper.Shipper()


def test_filebeats_counters_have_the_names_of_rsyslogs(stub: Stub) -> None:
    collector = PipelineCollector(stub.url, _shipper(load({"FILEBEAT_URL": f"{stub.url}/"})))
    families = {family.name: family for family in collector.collect()}
    reported = {
        name: [(sample.labels, sample.value) for sample in families[name].samples]
        for name in ("log_shipper_queue_size", "log_shipper_processed", "log_shipper_failed", "log_shipper_delivered")
    }
    assert reported == {
        "log_shipper_queue_size": [({"queue": "filebeat"}, 1500)],
        "log_shipper_processed": [({"action": "filebeat"}, 97)],
        "log_shipper_failed": [({"action": "filebeat"}, 3)],
        "log_shipper_delivered": [({}, 90)],
    }
    assert "log_shipper_stats_timestamp_seconds" in families


@pytest.mark.parametrize("answer", [{}, [], {"libbeat": {"pipeline": None}}])
def test_an_unusable_response_of_filebeat_has_no_figures(stub: Stub, answer: Any) -> None:
    stub.filebeat = answer
    assert filebeat.read(stub.url, requests.Session()) == shipper.Shipper()


def test_an_unavailable_filebeat_has_no_figures() -> None:
    assert filebeat.read("http://127.0.0.1:1", requests.Session()) == shipper.Shipper()


def test_without_filebeat_rsyslogs_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "stats").write_text(STATS)
    assert _shipper(load({"RSYSLOG_STATS": str(tmp_path / "stats")}))().queues == {"main Q": 7}


def test_a_silent_service_keeps_the_time_of_its_last_line(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("log_pipeline.__main__.FRESH_SECONDS", 0.0)
    collector = PipelineCollector(stub.url, shipper.Shipper)
    list(collector.collect())
    stub.services = {}
    families = {family.name: family for family in collector.collect()}
    newest = families["log_pipeline_newest_timestamp_seconds"].samples
    assert [(sample.labels, sample.value) for sample in newest] == [({"service": "orders"}, 1_700_000_000.0)]


def test_without_variables_everything_is_on_this_machine() -> None:
    chosen = load({"LOG_PIPELINE_HOST": " "})
    assert (chosen.host, chosen.port, chosen.filebeat_url) == ("127.0.0.1", 9096, "")
    assert chosen.elasticsearch_url == "http://127.0.0.1:9200"


def test_elasticsearchs_password_is_kept_out_of_the_repr() -> None:
    chosen = load({"ELASTICSEARCH_URL": "http://user:hunter2@elasticsearch:9200/"})
    assert chosen.elasticsearch_url == "http://user:hunter2@elasticsearch:9200"
    assert "hunter2" not in repr(chosen)


def test_a_wrong_setting_ends_the_program_with_all_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_PIPELINE_PORT", "0")
    monkeypatch.setenv("FILEBEAT_URL", "filebeat:5066")
    assert main() == 2
    shown = capsys.readouterr().err
    assert "LOG_PIPELINE_PORT: allowed is a port from 1 to 65535" in shown
    assert "FILEBEAT_URL: " in shown


@GENERATED
@given(data=st.data())
def test_any_wrong_value_of_any_variable_stops_the_start_with_its_name(data: DataObject) -> None:
    check_wrong_value(data, Settings, {}, blank_is_unset=True)

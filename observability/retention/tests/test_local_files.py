"""The size of growing files is limited."""

from __future__ import annotations

import os
from pathlib import Path

from platform_retention.local_files import empty_when_big, trim_folder


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{9 - number}").touch()
        os.utime(tmp_path / f"{9 - number}", (number, number))
    assert trim_folder(tmp_path, 3) == 7
    assert {file.name for file in tmp_path.iterdir()} == {"0", "1", "2"}
    assert trim_folder(tmp_path, 3) == 0
    assert trim_folder(tmp_path / "missing", 3) == 0


def test_a_big_file_is_truncated_while_a_writer_appends_to_it(tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    with file.open("a") as appending:
        appending.write("x" * 100)
        appending.flush()
        assert not empty_when_big(file, 100)
        assert empty_when_big(file, 99)
        appending.write("after")
        appending.flush()
    assert file.read_text() == "after"
    assert not empty_when_big(tmp_path / "missing", 0)

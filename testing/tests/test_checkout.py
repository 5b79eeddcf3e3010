"""A copy of a checkout has what would be committed, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

from platform_testing.checkout import copy_checkout, tracked


def test_a_copy_has_tracked_and_new_files_but_no_ignored_and_no_deleted_ones(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "größe").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], cwd=source, check=True)
    (source / ".gitignore").write_text("ignored\n")
    (source / "größe" / "program").write_text("#!/bin/sh\n")
    (source / "größe" / "program").chmod(0o755)
    (source / "deleted").touch()
    subprocess.run(["git", "add", "--all"], cwd=source, check=True)
    (source / "deleted").unlink()
    for name in ("new", "ignored"):
        (source / name).touch()
    copy_checkout(source, target)
    assert sorted(tracked(target)) == [".gitignore", "größe/program", "new"]
    assert not (target / "ignored").exists()
    assert (target / "größe" / "program").stat().st_mode & 0o111

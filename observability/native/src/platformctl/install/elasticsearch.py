"""Elasticsearch: the server as its own project publishes it on Maven, verified by checksum."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from platformctl import versions
from platformctl.errors import InstallError
from platformctl.install.locations import Locations
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths

GROUP_AND_ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"


class Elasticsearch(Step):
    """Downloads, verifies and unpacks the server."""

    name = "elasticsearch"
    typical_seconds = 35
    needs = ("packages",)

    def __init__(self, paths: Paths) -> None:
        pinned = versions.load(paths.root)
        self._version = pinned["ELASTICSEARCH_VERSION"]
        self._checksum = pinned["ELASTICSEARCH_SHA512"]
        self._plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{pinned['MAVEN_DEPENDENCY_PLUGIN_VERSION']}"
        self._paths = paths
        self._target = Locations(paths).elasticsearch
        self.title = f"Elasticsearch {self._version} (Maven)"

    def is_done(self) -> bool:
        return (self._target / "bin" / "elasticsearch").is_file()

    def install(self, shell: Shell) -> None:
        downloads = self._paths.cache / "downloads"
        archive = downloads / f"elasticsearch-{self._version}.zip"
        if not archive.exists() or sha512(archive) != self._checksum:
            self._download(shell, archive)
        with Staging(self._target) as folder:
            unpack(archive, folder)
        archive.unlink()

    def _download(self, shell: Shell, archive: Path) -> None:
        archive.unlink(missing_ok=True)
        repository = archive.parent / "maven"
        shell.run(
            [
                *("mvn", "--batch-mode", "--no-transfer-progress", f"-Dmaven.repo.local={repository}"),
                f"{self._plugin}:copy",
                f"-Dartifact={GROUP_AND_ARTIFACT}:{self._version}:zip",
                f"-DoutputDirectory={archive.parent}",
            ],
            environment={"MAVEN_OPTS": "-Xmx256m"},
        )
        verify(archive, self._checksum)
        shutil.rmtree(repository, ignore_errors=True)


def sha512(file: Path) -> str:
    """The file's SHA-512 in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha512").hexdigest()


def verify(archive: Path, checksum: str) -> None:
    """Raise InstallError, and delete the archive, when its SHA-512 isn't the pinned one."""
    found = sha512(archive)
    if found != checksum:
        archive.unlink()
        raise InstallError(
            f"{archive.name} is not what observability/versions.env pins",
            detail=[f"SHA-512 wanted  {checksum}", f"SHA-512 found   {found}"],
            advice="the download was deleted; run make up again, and if it happens again, don't trust the source",
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack without the archive's top folder; everything in bin/ can be run."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    (top,) = folder.iterdir()
    for entry in top.iterdir():
        entry.rename(folder / entry.name)
    top.rmdir()
    # It complains about a missing folder, and can't make it: the cache belongs to root.
    (folder / "plugins").mkdir(exist_ok=True)
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)

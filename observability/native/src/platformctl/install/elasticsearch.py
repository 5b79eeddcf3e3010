"""Installs Elasticsearch: the server that its project publishes on Maven, verified by checksum, and our plugin."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from string import Template

from platformctl.errors import InstallError
from platformctl.install import versions
from platformctl.install.locations import Locations, system_java_home
from platformctl.install.steps import Shell, Staging, Step
from platformctl.paths import Paths

GROUP_AND_ARTIFACT = "org.elasticsearch.distribution.integ-test-zip:elasticsearch"


class Elasticsearch(Step):
    """Downloads, verifies and unpacks the server, and builds the plugin into it."""

    name = "elasticsearch"
    typical_seconds = 35
    needs = ("packages",)

    def __init__(self, paths: Paths) -> None:
        pinned = versions.load(paths.root)
        self._version = pinned["ELASTICSEARCH_VERSION"]
        self._java = pinned["JAVA_MINIMUM"]
        self._checksum = pinned["ELASTICSEARCH_SHA512"]
        self._plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{pinned['MAVEN_DEPENDENCY_PLUGIN_VERSION']}"
        self._paths = paths
        self._locations = Locations(paths)
        self._target = self._locations.elasticsearch
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
            self._add_plugin(shell, folder)
        archive.unlink()

    def _add_plugin(self, shell: Shell, server: Path) -> None:
        """Compile the plugin against the server. A folder in plugins/ is enough to install it."""
        sources = self._locations.elasticsearch_plugin
        plugin = server / "plugins" / "alive"
        plugin.mkdir(parents=True)
        # Every account can read the server, so the plugin must be readable too, whatever root's umask is.
        plugin.chmod(0o755)
        libraries = os.pathsep.join(str(jar) for jar in sorted((server / "lib").glob("*.jar")))
        with tempfile.TemporaryDirectory() as classes:
            # The runtime contains the compiler as a module; javac itself is in another package.
            java = str(system_java_home() / "bin" / "java")
            compiler = [java, "--module", "jdk.compiler/com.sun.tools.javac.Main", "-proc:none"]
            # The cache outlives an upgrade or a change of Java, so the oldest one must be able to load the plugin.
            # (--release would need a file that only the package of the whole JDK has.)
            compiler += ["-source", self._java, "-target", self._java]
            shell.run([*compiler, "-d", classes, "-cp", libraries, str(sources / "AlivePlugin.java")])
            with zipfile.ZipFile(plugin / "alive.jar", "w") as jar:
                for compiled in sorted(Path(classes).rglob("*.class")):
                    jar.write(compiled, compiled.relative_to(classes))
        descriptor = Template((sources / "plugin-descriptor.properties").read_text())
        (plugin / "plugin-descriptor.properties").write_text(descriptor.substitute(ELASTICSEARCH_VERSION=self._version))
        for file in plugin.iterdir():
            file.chmod(0o644)

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
    """Raise InstallError and delete the archive if its SHA-512 isn't the pinned one."""
    found = sha512(archive)
    if found != checksum:
        archive.unlink()
        raise InstallError(
            f"{archive.name} is not what observability/versions.env pins",
            detail=[f"SHA-512 wanted  {checksum}", f"SHA-512 found   {found}"],
            advice="the download was deleted; run make up again, and if it happens again, don't trust the source",
        )


def unpack(archive: Path, folder: Path) -> None:
    """Unpack without the archive's top folder, and make everything in bin/ executable."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    (top,) = folder.iterdir()
    for entry in top.iterdir():
        entry.rename(folder / entry.name)
    top.rmdir()
    # The server logs an error if this folder is missing, and can't create it: the cache belongs to root.
    (folder / "plugins").mkdir(exist_ok=True)
    for program in (folder / "bin").iterdir():
        program.chmod(0o755)

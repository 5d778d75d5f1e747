"""The jars of Kafka: by Maven coordinates, each held to a sha256 of ours, then offline.

`kafka-jars.txt` is the whole list, transitive ones included, so nothing is resolved when a broker
starts: a jar that is in the cache with the right hash is used, the others are downloaded by jgo
into a temporary folder, checked, and moved into place in one step. A new Kafka is one line here
(`ROOTS`) and `python -m hookstream.embedded.jars`, which writes the list anew.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookstream.embedded.child import EmbeddedError

ROOTS = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4")
LIST = Path(__file__).with_name("kafka-jars.txt")
DEFAULT_CACHE = Path("~/.cache/hookstream/jars")
DOWNLOADS_AT_ONCE = 4
TRIES = 3
TIMEOUT_S = 30


@dataclass(frozen=True)
class Jar:
    """One jar: where Maven has it, and what its bytes must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def jars(cache: Path | None = None, listed: Sequence[Jar] | None = None) -> list[Path]:
    """Paths of all listed jars, each with the listed hash; downloads what the cache lacks.

    Needs no network (and does not even import jgo) once the cache is whole. A jar in the cache
    whose bytes are not the listed ones is fetched again. EmbeddedError if one cannot be had.
    """
    folder = (cache or DEFAULT_CACHE).expanduser()
    wanted = read_list() if listed is None else listed
    missing = [jar for jar in wanted if not is_whole(folder / jar.file_name, jar.sha256)]
    if missing:
        _download(missing, folder)
    return [folder / jar.file_name for jar in wanted]


def read_list(path: Path = LIST) -> list[Jar]:
    """The committed list: `group:artifact:version sha256` a line."""
    words = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    return [Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in words]


def is_whole(path: Path, sha256: str) -> bool:
    """Whether the file is there and its bytes are the expected ones."""
    return path.is_file() and _sha256(path) == sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(missing: Sequence[Jar], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="download-", dir=folder) as scratch,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        list(pool.map(lambda jar: _fetch(jar, folder, Path(scratch)), missing))


def _fetch(jar: Jar, folder: Path, scratch: Path) -> None:
    """Download one jar; it appears in the folder whole and checked, or not at all."""
    problem = "nothing was tried"
    for turn in range(TRIES):
        try:
            project = _maven(scratch / str(turn)).project(jar.group, jar.artifact)
            path: Path = project.at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            problem = str(error)
            continue
        found = _sha256(path)
        if found == jar.sha256:
            path.replace(folder / jar.file_name)
            return
        problem = f"its sha256 is {found}, not the listed {jar.sha256}"
    raise EmbeddedError(
        f"{jar.group}:{jar.artifact}:{jar.version} could not be fetched: {problem}. "
        "The first start needs the network; later ones do not."
    )


def _maven(cache: Path) -> Any:
    from jgo.maven import MavenContext  # late: a whole cache needs neither jgo nor its 0.3 s

    return MavenContext(repo_cache=cache, timeout=TIMEOUT_S)


def write_list(path: Path = LIST) -> None:
    """Resolve `ROOTS` with everything they need and write the list with the hashes found now."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for dependency in _closure(_maven(Path(scratch))).values():
            name = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            found[name] = _sha256(dependency.artifact.resolve())
    path.write_text("".join(f"{name} {sha256}\n" for name, sha256 in sorted(found.items())))


def _closure(maven: Any) -> dict[str, Any]:
    """What is needed, by group and artifact. Resolved root by root: jgo applies the managed
    versions of each root to all of them, and log4j's would bring an old kafka-clients."""
    needed: dict[str, Any] = {}
    for root in ROOTS:
        inputs, transitive = maven.resolver.resolve([maven.create_dependency(root)])
        for dependency in [*inputs, *transitive]:
            needed.setdefault(f"{dependency.groupId}:{dependency.artifactId}", dependency)
    return needed


if __name__ == "__main__":
    write_list()

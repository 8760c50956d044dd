"""What a node of a cluster on this machine is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LOG_FORMAT = """
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
"""


class Ports(NamedTuple):
    clients: int
    controllers: int


def properties(data: Path, number: int, ports: Sequence[Ports], address: str) -> str:
    several = len(ports) > 1
    copies, in_sync = (min(3, len(ports)), 2) if several else (1, 1)
    own = ports[number - 1]
    voters = ",".join(f"{each}@{address}:{port.controllers}" for each, port in enumerate(ports, start=1))
    told = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://{address}:{own.clients},CONTROLLER://{address}:{own.controllers}",
        "advertised.listeners": f"PLAINTEXT://{address}:{own.clients}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "num.partitions": 4,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "auto.create.topics.enable": "false",
        "log.cleaner.dedupe.buffer.size": 2_097_152,
        "num.network.threads": 2,
        "num.io.threads": 2,
        # a node killed with -9 is taken back after 4 s; with the usual 9 s it takes 13
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        "controller.quorum.election.timeout.ms": 1_000,
        "controller.quorum.fetch.timeout.ms": 2_000,
    }
    return "".join(f"{name}={value}\n" for name, value in told.items())

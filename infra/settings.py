"""The only reader of the environment. Every variable is `MAWID_` and the name of a field below, in capitals."""

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_type_hints

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

PREFIX = "MAWID_"
OF_THE_TEST_RUN = re.compile(r"MAWID_REQUIRE_ALL|MAWID_TEST_\w+")  # not settings, and not mistakes
MIB = 1024 * 1024


class SettingsError(ValueError):
    def __init__(self, variable: str, sentence: str) -> None:
        self.variable = variable
        super().__init__(f"{variable}: {sentence}")


class Reader(NamedTuple):
    """How a value is read from text (ValueError: not accepted), what is accepted in words, and how it is shown."""

    read: Callable[[str], Any]
    accepted: str
    show: Callable[[Any], str] = str


class Description(NamedTuple):
    variable: str
    meaning: str
    value: str
    default: str


def without_password(dsn: str) -> str:
    """The DSN as keywords and values, its secrets masked; libpq itself says which ones are secret."""
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return "(cannot be read)"
    secret = {option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.dispchar == b"*"}
    return make_conninfo("", **{name: "****" if name in secret else value for name, value in parts.items()})


def _whole(least: int, most: int | None = None) -> Reader:
    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"[0-9]+", text) else -1
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    return Reader(read, f"a whole number from {least} to {most}" if most else f"a whole number, {least} or more")


def _matching(pattern: str, accepted: str) -> Reader:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return Reader(read, accepted)


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(text.split())
    if not all(re.match(r"[a-z][a-z0-9+.-]*://", url) for url in urls):
        raise ValueError
    return urls


def _only_schemes(urls: tuple[str, ...]) -> str:
    return " ".join(f"{url.partition('://')[0]}://****" for url in urls)


LIMIT = _whole(1)
FROM_ZERO = _whole(0)
TIME_OF_DAY = _matching(r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day such as 03:00")
PATH = Reader(Path, "a path")
DSN = Reader(str, "a PostgreSQL address", without_password)
BROKERS = _matching(r"[^\s,:]+:[0-9]+(,[^\s,:]+:[0-9]+)*", "host:port, or several of them separated by commas,")
SERVER = _matching(r"[^\s,:]+:[0-9]+", "host:port")
EMAIL = _matching(r"[^\s<>@]+@[^\s<>@]+", "an e-mail address")
NAME = Reader(str, "a name")
ISSUER = _matching(r"https?://\S+", "an address that begins with https:// (http:// for a trial)")
URLS = Reader(_urls, "a list of addresses, each with its scheme, separated by spaces,", _only_schemes)


@dataclass(frozen=True, kw_only=True)
class Instance:
    clock: Annotated[
        Literal["system", "request"],
        _matching("system|request", "system or request"),
        "system, or request: Mawid-Now of a command is the time",
    ] = "system"
    policy_file: Annotated[Path | None, PATH, "booking rules that differ from the built-in version"] = None
    notify_urls: Annotated[
        tuple[str, ...], URLS, "where else messages go (Apprise addresses), without the code unless {mobile} is in it"
    ] = ()
    log_format: Annotated[
        Literal["text", "json"], _matching("text|json", "text or json"), "log lines: text (key=value) or json"
    ] = "text"


@dataclass(frozen=True, kw_only=True)
class Storage:
    database_url: Annotated[str, DSN, "PostgreSQL to use; empty: an embedded one in DATA_DIR is started"] = ""
    data_dir: Annotated[Path, PATH, "folder of the embedded database and of the keys"] = Path(".mawid")
    pg_bin: Annotated[Path | None, PATH, "folder of PostgreSQL's programs; empty: those of the installed package"] = (
        None
    )
    pool_connections_min: Annotated[int, LIMIT, "database connections a process keeps open for reading"] = 1
    pool_connections_max: Annotated[int, LIMIT, "database connections a process opens for reading at most"] = 8
    pool_wait_ms_max: Annotated[int, LIMIT, "longest wait for a free connection; beyond it: 503"] = 250

    def __post_init__(self) -> None:
        if self.pool_connections_min > self.pool_connections_max:
            raise SettingsError("MAWID_POOL_CONNECTIONS_MIN", "at most MAWID_POOL_CONNECTIONS_MAX is accepted")


@dataclass(frozen=True, kw_only=True)
class Backups:
    wal_archive_folder: Annotated[
        Path | None, PATH, "where the embedded database copies what it writes, for restores to any moment; empty: off"
    ] = None
    wal_archive_every_s: Annotated[
        int, LIMIT, "most that a loss of the database's disk loses, with WAL_ARCHIVE_FOLDER"
    ] = 60
    backup_s_max: Annotated[int, LIMIT, "longest time for a backup, and for each step of a restore"] = 6 * 3600


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Files made on first start. Their default is DATA_DIR/keys: beside the database's folder, never inside it."""

    signing_key_file: Annotated[Path, PATH, "key that signs the log's checkpoints"]
    vault_key_file: Annotated[Path, PATH, "key that wraps the keys of personal data"]
    reference_key_file: Annotated[Path, PATH, "key that turns a booking's id into its reference"]
    token_key_file: Annotated[Path, PATH, "key that signs this instance's own bearer tokens"]
    command_key_file: Annotated[Path, PATH, "key that turns a caller's idempotency key into a command id"]


@dataclass(frozen=True, kw_only=True)
class Vault:
    erasure_ledger_file: Annotated[Path, PATH, "who was erased, by id: outlives every backup of the database"]
    vault_key_keep_days: Annotated[
        int, _whole(0, 30), "how long a vault key that was rotated away still opens backups; then it is destroyed"
    ] = 30
    vault_rotation_rows_max: Annotated[int, LIMIT, "persons whose keys a rotation wraps anew in one transaction"] = 256
    vault_upkeep_every_s: Annotated[int, LIMIT, "between two looks for erasures to sweep up after"] = 5


@dataclass(frozen=True, kw_only=True)
class Desk:
    batch_commands_max: Annotated[int, LIMIT, "commands decided in one transaction"] = 1024
    batch_events_max: Annotated[int, LIMIT, "events written in one transaction"] = 1024
    batch_ms_max: Annotated[int, LIMIT, "longest time a batch is decided under the append lock"] = 50
    queue_commands_max: Annotated[int, LIMIT, "commands waiting for the writer; beyond it: 503"] = 20_000
    lock_wait_ms_max: Annotated[int, LIMIT, "longest wait for the log's append lock"] = 5_000
    commit_unknown_wait_s_max: Annotated[int, LIMIT, "longest search for the outcome of an unanswered commit"] = 30
    cache_streams_max: Annotated[int, LIMIT, "aggregates kept in memory"] = 200_000
    refusal_keep_h: Annotated[int, LIMIT, "how long a refusal is kept for an equal answer to a retry"] = 24


@dataclass(frozen=True, kw_only=True)
class Sweep:
    sweep_every_s: Annotated[int, LIMIT, "between two sweeps of what the clock has decided"] = 2
    sweep_back_days_max: Annotated[int, LIMIT, "how far back a sweep looks; older history is left as it is"] = 30
    sweep_office_days_max: Annotated[int, LIMIT, "office-days settled in one sweep"] = 100


@dataclass(frozen=True, kw_only=True)
class Views:
    follow_events_max: Annotated[int, LIMIT, "events a view folds in one transaction"] = 5_000
    self_check_at: Annotated[str, TIME_OF_DAY, "when log and views are checked each night, office time"] = "03:00"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    checkpoint_every_ms: Annotated[int, LIMIT, "between two signed checkpoints of a log that grows"] = 1_000
    checkpoint_events_max: Annotated[int, LIMIT, "events that wait for a checkpoint before that"] = 1_000
    checkpoint_folder: Annotated[
        Path | None, PATH, "where the signer keeps its last checkpoint; empty: beside the signing key"
    ] = None
    checkpoint_keep_h: Annotated[
        int, LIMIT, "how long every checkpoint is kept in the database; then one per 10,000 events"
    ] = 24


@dataclass(frozen=True, kw_only=True)
class Http:
    host: Annotated[str, _matching(r"\S+", "an address or a host name"), "address to listen on"] = "127.0.0.1"
    port: Annotated[int, _whole(1, 65_535), "port to listen on"] = 8000
    workers: Annotated[int, _whole(1, 64), "API processes"] = 1
    body_bytes_max: Annotated[int, LIMIT, "largest request body"] = MIB
    bulk_body_bytes_max: Annotated[int, LIMIT, "largest body of NDJSON commands"] = 64 * MIB
    bulk_lines_max: Annotated[int, LIMIT, "most commands in one NDJSON body"] = 100_000
    bulk_line_bytes_max: Annotated[int, LIMIT, "longest line of NDJSON commands"] = 64 * 1024
    group_bookings_max: Annotated[int, LIMIT, "most bookings in one group"] = 10
    publication_days_max: Annotated[int, LIMIT, "most days published at a time"] = 400
    erasure_request_days_max: Annotated[int, LIMIT, "how long an erasure waits for a second operator"] = 30
    access_log_lines_per_s: Annotated[
        int, LIMIT, "most lines of the access log; beyond it: every fault, and a sample"
    ] = 100
    bucket_depth_s: Annotated[int, LIMIT, "seconds' worth of requests that may come at once"] = 4
    streams_max: Annotated[int, LIMIT, "open streams of server-sent events; beyond it: 503"] = 256
    availability_kept_ms: Annotated[int, FROM_ZERO, "how old an answer about free places may be; 0: read each"] = 200
    availability_answers_max: Annotated[int, LIMIT, "most answers about free places kept at a time"] = 2_000
    request_s_max: Annotated[int, LIMIT, "longest time for a request"] = 30
    header_read_s_max: Annotated[int, LIMIT, "longest time a client may take to send its headers"] = 10
    at_least_wait_s_max: Annotated[int, FROM_ZERO, "longest wait for Mawid-At-Least; beyond it: 503"] = 2
    page_rows_max: Annotated[int, LIMIT, "most rows in a JSON page"] = 1_000
    stream_rows_max: Annotated[int, LIMIT, "most rows in an NDJSON stream"] = 1_000_000
    stream_folded_events_max: Annotated[int, LIMIT, "most facts of one stream that are told with its state"] = 100_000
    citizen_requests_per_s: Annotated[int, LIMIT, "requests of one citizen; beyond it: 429"] = 5
    staff_requests_per_s: Annotated[int, LIMIT, "requests of one staff, kiosk or machine token; beyond it: 429"] = 500
    address_requests_per_s: Annotated[int, LIMIT, "requests from one network address; beyond it: 429"] = 1_000


@dataclass(frozen=True, kw_only=True)
class Callers:
    oidc_issuer: Annotated[str, ISSUER, "OpenID Connect issuer that is trusted; empty: own tokens only"] = ""
    token_lifetime_s: Annotated[int, LIMIT, "life of a bearer token made here"] = 8 * 3600
    clock_skew_s: Annotated[int, FROM_ZERO, "how far the clock of a token's issuer may be off"] = 30


@dataclass(frozen=True, kw_only=True)
class Kafka:
    kafka_bootstrap: Annotated[str, BROKERS, "Kafka brokers; empty: no relay"] = ""
    kafka_security: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _matching("(SASL_)?(PLAINTEXT|SSL)", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        "how brokers are spoken to, in Kafka's words",
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        _matching("PLAIN|SCRAM-SHA-(256|512)", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
        "how the user is proved to brokers",
    ] = "SCRAM-SHA-512"
    kafka_user: Annotated[str, Reader(str, "a name"), "user that brokers know; for SASL"] = ""
    kafka_password_file: Annotated[Path | None, PATH, "file with that user's password and nothing else"] = None
    kafka_ca_file: Annotated[Path | None, PATH, "certificates that brokers are known by; empty: the system's"] = None
    kafka_topic_partitions: Annotated[int, LIMIT, "partitions of a topic that is made here"] = 4
    kafka_topic_copies: Annotated[int, FROM_ZERO, "brokers that keep a topic made here; 0: as many as theirs say"] = 0
    kafka_message_bytes_max: Annotated[int, LIMIT, "largest message"] = 8 * MIB
    kafka_answer_s_max: Annotated[int, LIMIT, "longest wait for a broker's first answer"] = 5
    relay_page_events_max: Annotated[int, LIMIT, "facts put on the topic at a time, and read at a time"] = 5_000
    relay_delivery_s_max: Annotated[
        int, LIMIT, "longest wait until these are acknowledged; then they are sent again"
    ] = 15
    consume_page_events_max: Annotated[int, LIMIT, "facts a consumer takes in one transaction"] = 500
    consume_fact_bytes_max: Annotated[int, LIMIT, "largest fact a consumer reads; beyond it: parked"] = MIB
    consume_attempts_max: Annotated[int, LIMIT, "attempts at the effect of a fact; then it is parked"] = 5
    consume_silence_s_max: Annotated[
        int, _whole(6, 300), "how long a consumer may be silent before others take over its partitions"
    ] = 10
    parked_messages_max: Annotated[
        int, FROM_ZERO, "most parked messages of a consumer whose bodies are kept; of others only where they lie"
    ] = 10_000
    maven_repository: Annotated[Path, PATH, "where the jars of a Kafka started here are kept"] = Path(
        "~/.m2/repository"
    )


@dataclass(frozen=True, kw_only=True)
class Messages:
    smtp_server: Annotated[str, SERVER, "e-mail server; empty: no e-mail"] = ""
    smtp_security: Annotated[
        Literal["none", "starttls", "tls"],
        _matching("none|starttls|tls", "none, starttls or tls"),
        "how the e-mail server is spoken to",
    ] = "starttls"
    smtp_user: Annotated[str, NAME, "user that the e-mail server knows; empty: it asks for none"] = ""
    smtp_password_file: Annotated[Path | None, PATH, "file with that user's password and nothing else"] = None
    smtp_wait_s_max: Annotated[int, LIMIT, "longest wait for the e-mail server"] = 20
    email_from: Annotated[str, EMAIL, "who e-mail comes from"] = "mawid@localhost"
    email_to: Annotated[
        str,
        _matching(r"[^\s<>@]*\{mobile\}[^\s<>@]*@[^\s<>@]+", "an e-mail address with {mobile} in it"),
        "address at a gateway of whoever has a mobile, such as {mobile}@sms.example; empty: no e-mail",
    ] = ""
    smpp_server: Annotated[str, SERVER, "SMS centre, over SMPP 3.4; empty: no SMS"] = ""
    smpp_user: Annotated[str, NAME, "system id that the SMS centre knows"] = ""
    smpp_password_file: Annotated[Path | None, PATH, "file with its password and nothing else"] = None
    smpp_wait_s_max: Annotated[int, LIMIT, "longest wait for the SMS centre"] = 10
    smpp_enquire_every_s: Annotated[int, LIMIT, "how long a line to the SMS centre may be silent"] = 30
    smpp_receipt_ids: Annotated[
        Literal["same", "hex-decimal"],
        _matching("same|hex-decimal", "same or hex-decimal"),
        "how receipts name a message: as it was answered, or in decimal where that was hexadecimal",
    ] = "same"
    sms_from: Annotated[
        str, _matching(r"[0-9]{3,15}|[A-Za-z0-9 ._-]{1,11}", "a name of 11 characters or a number"), "who SMS come from"
    ] = "Mawid"
    sms_valid_h: Annotated[
        int, _whole(1, 168), "how long the network tries to deliver an SMS, and a receipt is waited for"
    ] = 24
    message_attempts_max: Annotated[int, LIMIT, "attempts at sending a message; then it is given up"] = 12
    message_retry_first_s: Annotated[int, LIMIT, "from the first attempt to the second; then twice as long"] = 30
    message_retry_s_max: Annotated[int, LIMIT, "longest time from one attempt to the next"] = 3600
    message_server_rest_s: Annotated[int, LIMIT, "from finding a server away to looking for it again"] = 10
    message_late_h_max: Annotated[
        int, LIMIT, "how long after what a person did themselves a message about it is still sent"
    ] = 48
    person_day_messages_max: Annotated[int, LIMIT, "messages to one person a day; further ones are not sent"] = 10
    reminder_at: Annotated[str, TIME_OF_DAY, "when the next day's visits are reminded of, office time"] = "16:00"


@dataclass(frozen=True, kw_only=True)
class Settings:
    instance: Instance
    storage: Storage
    backups: Backups
    keys: Keys
    vault: Vault
    desk: Desk
    sweep: Sweep
    views: Views
    checkpoints: Checkpoints
    http: Http
    callers: Callers
    kafka: Kafka
    messages: Messages

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Reads and checks every variable; an empty one counts as absent."""
        _refuse_unknown(environ)
        kinds: dict[str, Any] = get_type_hints(cls)
        values = {group: dict(_values(kind, environ)) for group, kind in kinds.items()}
        data_dir = values["storage"].get("data_dir", Storage.data_dir)
        for group, kind in kinds.items():
            values[group] = _default_files(kind, data_dir) | values[group]
        return cls(**{group: kind(**values[group]) for group, kind in kinds.items()})

    @staticmethod
    def hand_to_workers(dsn: str, kafka_bootstrap: str) -> None:
        """Processes started from here on find this database and this Kafka, also where the parent runs them itself."""
        os.environ[f"{PREFIX}DATABASE_URL"] = dsn
        os.environ[f"{PREFIX}KAFKA_BOOTSTRAP"] = kafka_bootstrap

    def describe(self) -> list[Description]:
        return [
            Description(_variable(name), meaning, _shown(reader, value), _shown(reader, default))
            for group, kind in get_type_hints(Settings).items()
            for name, reader, meaning in _entries(kind)
            for value in [getattr(getattr(self, group), name)]
            for default in [(_default_files(kind, Path("DATA_DIR")) | vars(kind))[name]]
        ]


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _entries(kind: type) -> Iterator[tuple[str, Reader, str]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        yield name, *hint.__metadata__


def _default_files(kind: type, data_dir: Path) -> dict[str, Any]:
    """Keys and what belongs beside them: signing.key, erasure.ledger."""
    names = [re.fullmatch(r"(\w+)_(key|ledger)_file", each.name) for each in fields(kind)]
    return {name[0]: data_dir / "keys" / f"{name[1]}.{name[2]}" for name in names if name is not None}


def _shown(reader: Reader, value: object) -> str:
    return "" if value is None or value == "" else reader.show(value)


def _values(kind: type, environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, reader, _ in _entries(kind):
        text = environ.get(_variable(name), "").strip()
        if text:
            try:
                yield name, reader.read(text)
            except ValueError:
                raise SettingsError(_variable(name), f"{reader.accepted} is accepted") from None


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [_variable(name) for kind in get_type_hints(Settings).values() for name, *_ in _entries(kind)]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not OF_THE_TEST_RUN.fullmatch(name):
            nearest = "".join(f"; did you mean {near}?" for near in difflib.get_close_matches(name, known, n=1))
            raise SettingsError(name, f"no such setting{nearest} (`mawid settings` lists them all)")

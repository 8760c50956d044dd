"""A database of somebody else's, looked at before anything is built on it: its faults are told in one sentence."""

from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.postgres.unavailable import DatabaseUnavailable

CONNECT_S_MAX = 10
WRITE_IT_SO = (
    "MAWID_DATABASE_URL cannot be read: write it as postgresql://user:password@host:5432/name, "
    "the signs @ : / ? # % of a password as %40 %3A %2F %3F %23 %25"
)


@dataclass(frozen=True)
class GivenDatabase:
    dsn: str = field(repr=False)
    embedded = False

    def ensure_running(self) -> bool:
        """False: somebody else's server is theirs to start."""
        return False


def check(dsn: str) -> None:
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    except psycopg.ProgrammingError:
        raise DatabaseUnavailable(WRITE_IT_SO) from None
    if not _well_formed(parts):
        raise DatabaseUnavailable(WRITE_IT_SO)
    try:
        with psycopg.connect(make_conninfo(f"connect_timeout={CONNECT_S_MAX}", **parts)) as connection:
            _refuse_unusable(connection)
    except (psycopg.ProgrammingError, UnicodeError):  # a host name no name service could know
        raise DatabaseUnavailable(WRITE_IT_SO) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(_sentence(str(error), parts)) from None


def _well_formed(parts: dict[str, str]) -> bool:
    """False where a sign in a password has moved a piece of it into the host, port or name, which sentences print."""
    places = parts.get("host", ""), parts.get("dbname", "")
    return parts.get("port", "5432").replace(",", "").isdecimal() and not any("@" in place for place in places)


def _refuse_unusable(connection: psycopg.Connection) -> None:
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise DatabaseUnavailable(
            f"the database {connection.info.dbname} cannot hold Arabic: make one with "
            "CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8'"
        )
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise DatabaseUnavailable(
            "the database is a standby and takes no writes: name the primary in MAWID_DATABASE_URL, "
            "or all servers with target_session_attrs=read-write"
        )


def _sentence(said: str, parts: dict[str, str]) -> str:
    """What libpq and the server said, and a way out. A server that speaks another language gets the last sentence."""
    place = f"{parts.get('host', 'this machine')}, port {parts.get('port', '5432')}"
    user = f"user {parts['user']}" if "user" in parts else "this user"
    name = f"database {parts['dbname']}" if "dbname" in parts else "database of the user's name"
    sentences = {
        "failed to resolve host": f"the host of the database is not known ({place}): correct MAWID_DATABASE_URL",
        "Connection refused": f"no database listens at {place}: start it, or correct MAWID_DATABASE_URL",
        "No such file or directory": f"no database listens at {place}: start it, or correct MAWID_DATABASE_URL",
        "timeout expired": f"no database answers at {place}: check the address and the firewalls in between",
        "password authentication failed": f"the database at {place} refuses the password of {user}: correct it",
        "no password supplied": f"the database at {place} wants a password of {user}: add it to MAWID_DATABASE_URL",
        "no pg_hba.conf entry": f"the database at {place} does not admit {user} from here: see its pg_hba.conf",
        'database "': f"there is no {name} at {place}: make it with createdb -E UTF8",
        'role "': f"there is no {user} at {place}: make it with createuser, or name another",
    }
    for sign, sentence in sentences.items():
        if sign in said and (not sign.endswith('"') or "does not exist" in said):
            return sentence
    secret = parts.get("password", "")
    first_line = said.partition("\n")[0]
    return f"the database at {place} cannot be used: {first_line.replace(secret, '****') if secret else first_line}"

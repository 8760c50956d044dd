import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from infra.settings import Settings, SettingsError


def shown(environ: dict[str, str]) -> dict[str, str]:
    return {each.variable: each.value for each in Settings.load(environ).describe()}


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.load({})

    assert settings.storage.database_url == ""
    assert settings.storage.data_dir == Path(".mawid")
    assert settings.instance.clock == "system"
    assert (settings.http.host, settings.http.port, settings.http.workers) == ("127.0.0.1", 8000, 1)
    assert settings.http.body_bytes_max == 1_048_576
    assert settings.desk.queue_commands_max == 20_000


def test_a_value_is_read_into_its_type():
    settings = Settings.load(
        {
            "MAWID_PORT": "8080",
            "MAWID_CLOCK": "request",
            "MAWID_PG_BIN": "/opt/postgresql/bin",
            "MAWID_NOTIFY_URLS": "mailto://desk@example.org  json://example.org/in",
            "MAWID_KAFKA_BOOTSTRAP": "one:9092,two:9092",
            "MAWID_CLOCK_SKEW_S": "0",
        }
    )

    assert settings.http.port == 8080
    assert settings.instance.clock == "request"
    assert settings.storage.pg_bin == Path("/opt/postgresql/bin")
    assert settings.instance.notify_urls == ("mailto://desk@example.org", "json://example.org/in")
    assert settings.kafka.kafka_bootstrap == "one:9092,two:9092"
    assert settings.callers.clock_skew_s == 0


def test_an_empty_value_counts_as_absent():
    assert Settings.load({"MAWID_PORT": "", "MAWID_DATA_DIR": " "}) == Settings.load({})


def test_keys_lie_in_the_data_folder_unless_told_otherwise():
    keys = Settings.load({"MAWID_DATA_DIR": "/var/lib/mawid", "MAWID_VAULT_KEY_FILE": "/run/vault"}).keys

    assert keys.signing_key_file == Path("/var/lib/mawid/keys/signing.key")
    assert keys.vault_key_file == Path("/run/vault")
    assert {getattr(keys, key.name).name for key in fields(keys)} > {"reference.key", "token.key", "command.key"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MAWID_PORT", "abc"),
        ("MAWID_PORT", "0"),
        ("MAWID_PORT", "65536"),
        ("MAWID_PORT", "٨٠٨٠"),
        ("MAWID_PORT", "8080.0"),
        ("MAWID_WORKERS", "0"),
        ("MAWID_CLOCK", "foo"),
        ("MAWID_LOG_FORMAT", "JSON"),
        ("MAWID_PAGE_ROWS_MAX", "-1"),
        ("MAWID_BODY_BYTES_MAX", "1MiB"),
        ("MAWID_QUEUE_COMMANDS_MAX", "9" * 5000),
        ("MAWID_KAFKA_BOOTSTRAP", "broker"),
        ("MAWID_NOTIFY_URLS", "desk@example.org"),
        ("MAWID_OIDC_ISSUER", "accounts.example.org"),
        ("MAWID_POOL_CONNECTIONS_MIN", "9"),
        ("MAWID_PROT", "8080"),
        ("MAWID_TEST", "1"),
        ("MAWID_REQUIRE_ALL_OF_IT", "1"),
    ],
)
def test_a_value_that_is_not_accepted_names_its_variable(variable, value):
    with pytest.raises(SettingsError) as refused:
        Settings.load({variable: value})

    assert refused.value.variable == variable
    assert str(refused.value).startswith(variable)


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(SettingsError, match="MAWID_PORT"):
        Settings.load({"MAWID_PROT": "8080"})


def test_names_of_others_and_of_the_test_run_are_left_alone():
    others = {"HOME": "/root", "PORT": "abc", "MAWID_REQUIRE_ALL": "1", "MAWID_TEST_ROUNDS": "3"}

    assert Settings.load(others) == Settings.load({})


def test_every_setting_is_described_with_its_meaning_and_default():
    described = Settings.load({"MAWID_PORT": "8080"}).describe()

    assert all(each.variable.startswith("MAWID_") and each.meaning for each in described)
    assert len({each.variable for each in described}) == len(described)
    port = next(each for each in described if each.variable == "MAWID_PORT")
    assert (port.value, port.default) == ("8080", "8000")
    key = next(each for each in described if each.variable == "MAWID_VAULT_KEY_FILE")
    assert (key.value, key.default) == (".mawid/keys/vault.key", "DATA_DIR/keys/vault.key")


def test_a_limit_says_its_unit_in_its_name():
    settings = Settings.load({})
    groups = [getattr(settings, each.name) for each in fields(settings)]

    numbers = {each.name for group in groups for each in fields(group) if isinstance(getattr(group, each.name), int)}

    units = (
        "answers",
        "attempts",
        "bookings",
        "bytes",
        "commands",
        "connections",
        "copies",
        "days",
        "events",
        "h",
        "lines",
        "messages",
        "ms",
        "partitions",
        "rows",
        "s",
        "streams",
    )
    names = numbers - {"port", "workers"}
    assert {name for name in names if re.sub(r"_(max|min)$", "", name).split("_")[-1] not in units} == set()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://clerk:s3cret@db.example.org:5432/mawid?sslmode=require",
        "host=db.example.org user=clerk password=s3cret sslpassword=s3cret",
        "postgresql://clerk@db.example.org/mawid?password=s3cret",
        "clerk:s3cret",
    ],
)
def test_a_password_is_never_shown(url):
    value = shown({"MAWID_DATABASE_URL": url})["MAWID_DATABASE_URL"]

    assert value
    assert "s3cret" not in value


def test_of_an_address_for_notices_only_the_scheme_is_shown():
    value = shown({"MAWID_NOTIFY_URLS": "mailto://clerk:s3cret@example.org"})["MAWID_NOTIFY_URLS"]

    assert value == "mailto://****"


def test_without_an_argument_the_environment_is_read(root):
    script = "from infra.settings import Settings; print(Settings.load().http.port)"

    answer = subprocess.run(
        ["env", "MAWID_PORT=8123", sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )

    assert answer.stdout.strip() == "8123"


def test_a_worker_reads_the_address_that_was_handed_to_it(root, monkeypatch):
    monkeypatch.setenv("MAWID_DATABASE_URL", "")  # puts back what was there
    monkeypatch.setenv("MAWID_KAFKA_BOOTSTRAP", "")
    script = "from infra.settings import Settings; print(Settings.load().storage.database_url)"

    Settings.hand_to_workers("host=db.example.org password='a b'", "")

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert answer.stdout.strip() == "host=db.example.org password='a b'"

"""What an operator meets at the command line, in bad weather above all: one plain sentence, and exit code not 0."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.bootstrap import VIEWS

MAWID = str(Path(sys.executable).with_name("mawid"))


@pytest.fixture
def mawid(tmp_path):
    """Runs a command on a DATA_DIR of the test's own."""

    def run(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        told = {"MAWID_DATA_DIR": str(tmp_path / "data")} | environ
        return subprocess.run(
            ["env", *(f"{name}={value}" for name, value in told.items()), MAWID, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=120,
        )

    return run


def says(run: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a failure."""
    assert run.returncode != 0
    assert "Traceback" not in run.stderr
    return run.stderr.strip().splitlines()[-1]


def test_a_setting_that_does_not_fit_is_named(mawid):
    assert "MAWID_PORT" in says(mawid("serve", MAWID_PORT="eighty"))


def test_a_database_that_is_not_there_is_said_plainly(mawid):
    run = mawid("serve", MAWID_DATABASE_URL="postgresql://mawid:secret@127.0.0.1:1/mawid")

    assert "127.0.0.1" in says(run)
    assert "secret" not in run.stderr


def test_a_used_port_is_said_before_anything_is_started(mawid, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        run = mawid("serve", MAWID_PORT=port)

    assert port in says(run)
    assert nothing_runs_in(tmp_path)


def test_a_foreign_file_in_the_databases_folder_is_left_alone(mawid, tmp_path):
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    letter = tmp_path / "data" / "postgres" / "letter.txt"
    letter.write_text("mine")

    assert str(tmp_path / "data" / "postgres") in says(mawid("migrate"))
    assert letter.read_text() == "mine"


def test_a_lost_vault_key_stops_the_start_instead_of_finding_nobody(mawid, tmp_path):
    line: dict[str, Any] = {"command": "book", "key": "b1", "at": "2026-11-01T09:00:00+03:00", "office": "CA-TB-01"}
    line |= {"service": "SV-CA-02", "starts_at": "2026-11-02T09:00", "channel": "kiosk"}
    line |= {"beneficiary": {"number": "1000000008", "sex": "male"}}
    mawid("publish", "CA-TB-01", "2026-11-02", "2026-11-02")
    assert "accepted 1" in mawid("import", "-", stdin=json.dumps(line)).stdout
    (tmp_path / "data" / "keys" / "vault.key").unlink()

    assert "vault key" in says(mawid("catalogue", "load"))


POLICY = """\
[[policy]]
from = 2011-03-01
horizon_days = 45

[policy.channels.sms]
share_percent = 25
"""


def test_a_policy_file_with_a_fault_stops_the_start_and_adopts_nothing(mawid, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(POLICY + "[[policy]]\nfrom = 2011-06-01\nhold_min = -5\n")

    for command in (["serve"], ["catalogue", "load"], ["demo", "--exit"], ["policy", "show"]):
        said = says(mawid(*command, MAWID_POLICY_FILE=str(file)))
        assert f"{file}, line 9: hold_min" in said

    assert "v2" not in mawid("policy", "show").stdout
    examined = mawid("doctor", MAWID_POLICY_FILE=str(file))
    assert examined.returncode != 0
    assert f"✗ policy file: {file}, line 9: hold_min" in examined.stdout


def test_a_policy_file_is_adopted_once_and_shown_in_both_languages(mawid, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)

    before = mawid("policy", "show", MAWID_POLICY_FILE=str(file)).stdout
    ends = [mawid("catalogue", "load", MAWID_POLICY_FILE=str(file)).stdout for _ in range(2)]
    after = mawid("policy", "show", MAWID_POLICY_FILE=str(file)).stdout

    assert "v2" not in before
    assert "from 2011-03-01: the next start adopts it" in before
    assert ends[0] == ends[1]
    assert "v2  from 2011-03-01 (1432-03-26), position" in after
    assert "next start" not in after
    (row,) = (line for line in after.splitlines() if "horizon_days" in line)
    assert row.split()[:4] == ["POL-03", "horizon_days", "30", "45"]
    assert "أبعد يوم" in row
    assert "furthest day" in row
    assert "sms: services all; 25 %" in after


def test_loading_the_catalogue_twice_changes_nothing(mawid):
    first = mawid("catalogue", "load").stdout

    assert mawid("catalogue", "load").stdout == first


def test_every_view_is_rebuilt_in_one_pass_and_found_equal(mawid):
    mawid("publish", "CA-TB-01", "2026-11-29", "2026-11-30")
    mawid("rebuild")

    compared = mawid("rebuild", "--compare")

    assert compared.returncode == 0
    assert compared.stdout.count("equal to the live view") == len(VIEWS)
    assert "totals" not in mawid("rebuild", "milestones", "--compare").stdout


def test_publishing_twice_opens_nothing_new(mawid):
    first = mawid("publish", "CA-TB-01", "2026-11-29", "2026-11-30")
    second = mawid("publish", "CA-TB-01", "2026-11-29", "2026-11-30")

    assert "units published 240" in first.stdout
    assert "units published 0" in second.stdout


def test_an_office_that_does_not_exist_cannot_be_published(mawid):
    assert "CA-XX-99" in says(mawid("publish", "CA-XX-99", "2026-11-29", "2026-11-30"))


def test_a_token_is_alone_on_the_last_line_and_holds_no_number(mawid):
    run = mawid("token", "--role", "citizen", "--number", "1000000008")

    [token] = run.stdout.splitlines()
    assert token.count(".") == 2
    assert "1000000008" not in token
    assert "check-digit" in says(mawid("token", "--role", "citizen", "--number", "1000000009"))


def test_a_broken_line_of_an_import_goes_to_the_rejects_and_the_rest_goes_on(mawid, tmp_path):
    mawid("publish", "CA-TB-01", "2026-11-29", "2026-11-29")
    book = {"command": "book", "at": "2026-11-25T09:00:00+03:00", "office": "CA-TB-01", "service": "SV-CA-02"}
    book |= {"channel": "portal", "starts_at": "2026-11-29T09:00"}
    people = [{"number": number, "sex": "male"} for number in ("1000000008", "1000000016", "1000000017")]
    lines = [json.dumps(book | {"key": f"k{n}", "beneficiary": person}) for n, person in enumerate(people)]
    lines.insert(1, '{"command": "book", "key": ')
    lines.append(json.dumps({"command": "cancel", "key": "k9", "at": "2026-11-26T09:00:00+03:00", "booking_key": "k0"}))
    file = tmp_path / "day.ndjson"
    file.write_text("\n".join(lines) + "\n")

    first, second = mawid("import", str(file)), mawid("import", str(file))

    rejects = tmp_path / "day.ndjson.rejects.ndjson"
    refused = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert "read 5, accepted 3, refused 2" in first.stdout
    assert [(line["line"], line["problem"]["type"]) for line in refused] == [
        (2, "/problems/invalid-request"),
        (4, "/problems/invalid-number"),
    ]
    assert rejects.stat().st_mode & 0o777 == 0o600
    assert "of both replayed 3" in second.stdout


def test_ctrl_c_stops_everything_that_serve_started(mawid, tmp_path):
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    told = [f"MAWID_DATA_DIR={tmp_path / 'data'}", f"MAWID_PORT={port}"]
    output = (tmp_path / "serve.txt").open("w")
    serving = subprocess.Popen(["env", *told, MAWID, "serve"], stdout=output, stderr=output, cwd=tmp_path)
    until = time.monotonic() + 60
    while not listens(port):
        assert serving.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)

    serving.send_signal(signal.SIGINT)

    assert serving.wait(30) in (0, 130)
    assert nothing_runs_in(tmp_path)


def listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def nothing_runs_in(folder: Path) -> bool:
    """No process is left whose command line or working folder is in there."""
    ours = os.getpid()
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        said = " ".join(process.info["cmdline"] or []) + str(process.info["cwd"])
        if process.info["pid"] != ours and str(folder) in said:
            return False
    return True


def test_a_stream_that_is_not_there_is_unusable_and_said_plainly(mawid):
    for asked in (["nothing"], ["policy", "--at", "99"], ["policy", "--at", "yesterday"]):
        run = mawid("audit", "history", *asked)

        assert run.returncode == 2
        assert asked[-1] in says(run) or "last position" in says(run)

    first = mawid("audit", "history", "policy", "--at", "0")
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, "policy as of position 0: 0 facts")

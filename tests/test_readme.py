"""The README's tour is run as it stands, so that it cannot rot."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

MAWID = str(Path(sys.executable).with_name("mawid"))


def test_the_readme_begins_with_the_two_commands(root):
    blocks = shell_blocks((root / "README.md").read_text())

    assert [line.split("#")[0].strip() for line in blocks[0].splitlines()] == ["./mawid demo", "./mawid test"]


def test_the_tour_with_curl_shows_what_it_says(root, tmp_path):
    tour = shell_blocks((root / "README.md").read_text().partition("## Five minutes with curl")[2])
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    setting_out, opening, booking, changing = (
        block.replace("./mawid", MAWID).replace("127.0.0.1:8000", f"127.0.0.1:{port}") for block in tour
    )
    script = f"{setting_out}\n{opening}\necho; echo =====\n{booking}\necho =====\n{changing}\nkill %1; wait"

    said = subprocess.run(
        ["env", f"MAWID_DATA_DIR={tmp_path / 'data'}", f"MAWID_PORT={port}", "bash", "-m", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )

    opened, booked, changed = said.stdout.split("=====")
    assert '"units_published":240' in opened
    assert '"free":120' in opened
    statuses = re.findall(r"^HTTP/1.1 (\d+)", booked, re.MULTILINE)
    assert statuses == ["201", "409", "201", "422"]
    first, refused, again, reused = (json.loads(body) for body in re.findall(r"^\{.*\}", booked, re.MULTILINE))
    assert refused["type"] == "/problems/active-booking-exists"
    assert refused["booking"] == first["booking"]
    assert again == first
    assert booked.lower().count("idempotency-replayed: true") == 1
    assert reused["type"] == "/problems/idempotency-key-reused"
    moved, cancelled, history, count, milestones = json_values(changed)
    assert (moved["starts_at"], moved["reschedules"]) == ("2011-02-06T09:30:00+03:00", 1)
    assert (cancelled["status"], cancelled["late"]) == ("cancelled", False)
    assert [fact["type"] for fact in history["facts"]] == [
        "SlotBooked.v1",
        "BookingMovedOut.v1",
        "BookingMovedIn.v1",
        "BookingCancelled.v1",
    ]
    assert count["count"] == 1
    assert milestones["milestones"][0]["booking"] == first["booking"]


def shell_blocks(markdown: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", markdown, re.DOTALL)


def json_values(text: str) -> list[dict]:
    """JSON objects that follow each other without anything between them."""
    values, decoder, text = [], json.JSONDecoder(), text.strip()
    while text.startswith("{"):
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values

"""What an auditor or a customer can check with the public key alone, over HTTP."""

from base64 import b64decode
from threading import Timer

import psycopg
import pytest

from infra.merkle import EMPTY_ROOT
from infra.proofs import continues, includes
from infra.signed_note import Checkpoint, Note, VerifierKey
from infra.signing import signing_files

JSON = {"Accept": "application/json"}


@pytest.fixture
def auditor(api):
    return api.token("auditor")


@pytest.fixture(scope="module")
def booked(shared_api):
    """A booking that a checkpoint covers, and what is kept of an earlier one."""
    office = shared_api.given_an_office()
    kept = shared_api.sign().checkpoint
    booked = shared_api.given_a_booking(office)
    shared_api.sign()
    return booked, kept


@pytest.fixture
def verified(api):
    """What a note says, once its signature has been checked with the key alone."""

    def verify(text):
        note = Note.parse(text)
        [key] = signing_files(api.settings).known(Checkpoint.of(note).origin)
        note.signed_by(VerifierKey.parse(str(key)))
        return Checkpoint.of(note)

    return verify


def hashes(encoded):
    return [b64decode(each, validate=True) for each in encoded]


def receipt_of(api, booked, position):
    """As of a view that has seen the position."""
    path, seen = f"/v1/bookings/{booked['reference']}", {"Mawid-At-Least": str(position)}
    return api.get(path, api.operator, headers=seen, params={"receipt": "true"}).json()["receipt"]


def is_in(answer, verified):
    signed = verified(answer["checkpoint"])
    leaf, proof = b64decode(answer["leaf"]), hashes(answer["proof"])
    assert answer["size"] == signed.size
    return includes(answer["position"] - 1, signed.size, leaf, proof, signed.root)


def test_the_checkpoint_is_a_signed_note_of_the_head(api, auditor, booked, verified):
    response = api.get("/v1/audit/checkpoint", auditor)

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert verified(response.text).size == api.sign().checkpoint.size


def test_as_json_it_tells_its_members_too(api, auditor, booked, verified):
    text = api.get("/v1/audit/checkpoint", auditor, headers={"Accept": "*/*"}).text

    response = api.get("/v1/audit/checkpoint", auditor, headers=JSON)

    shown = response.json()
    signed = verified(text)
    assert shown["note"] == text
    assert (shown["origin"], shown["size"], b64decode(shown["root"])) == (signed.origin, signed.size, signed.root)
    assert response.headers["vary"] == "Accept"


def test_each_event_is_proved_to_be_in_the_log(api, auditor, booked, verified):
    head = api.sign().checkpoint.size
    for position in (1, 2, booked[0]["position"], head):
        answer = api.get("/v1/audit/inclusion", auditor, params={"position": position}).json()

        assert answer["position"] == position
        assert is_in(answer, verified)


def test_a_proof_holds_for_a_checkpoint_that_the_auditor_has_kept(api, auditor, booked, verified):
    _, kept = booked

    answer = api.get("/v1/audit/inclusion", auditor, params={"position": 3, "size": kept.size}).json()
    odd = api.get("/v1/audit/inclusion", auditor, params={"position": 3, "size": kept.size - 1}).json()

    assert verified(answer["checkpoint"]) == kept
    assert is_in(answer, verified)
    assert (odd["size"], odd["checkpoint"]) == (kept.size - 1, None)


def test_the_log_is_proved_to_have_only_grown(api, auditor, booked, verified):
    _, kept = booked

    answer = api.get("/v1/audit/consistency", auditor, params={"from": kept.size}).json()

    now = verified(answer["checkpoint"])
    assert (answer["from"], answer["to"]) == (kept.size, now.size)
    assert now.size > kept.size
    assert continues(kept.size, kept.root, now.size, now.root, hashes(answer["proof"]))
    same = api.get("/v1/audit/consistency", auditor, params={"from": kept.size, "to": kept.size}).json()
    assert (same["proof"], verified(same["checkpoint"])) == ([], kept)


def test_every_log_continues_the_empty_one(api, auditor, booked, verified):
    answer = api.get("/v1/audit/consistency", auditor, params={"from": 0}).json()

    now = verified(answer["checkpoint"])
    assert continues(0, EMPTY_ROOT, now.size, now.root, hashes(answer["proof"]))


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ("inclusion?", "position"),
        ("inclusion?position=0", "position"),
        ("inclusion?position=-1", "position"),
        ("inclusion?position=x", "position"),
        ("inclusion?position=1000000", "position"),
        ("inclusion?position=99999999999999999999", "position"),
        ("inclusion?position=2&size=1", "position"),
        ("inclusion?position=1&size=1000000", "size"),
        ("inclusion?position=1&size=0", "size"),
        ("consistency?", "from"),
        ("consistency?from=-1", "from"),
        ("consistency?from=1000000", "from"),
        ("consistency?from=2&to=1", "from"),
        ("consistency?from=1&to=1000000", "to"),
        ("consistency?from=1&to=y", "to"),
        ("checkpoint?size=1", "size"),
    ],
)
def test_what_cannot_be_proved_is_refused_by_the_name_of_its_parameter(api, auditor, booked, call, field):
    response = api.get(f"/v1/audit/{call}", auditor)

    assert (response.status_code, response.json()["field"]) == (422, field)


def test_proofs_are_for_auditors_and_operators(api, booked):
    for path in ("checkpoint", "inclusion?position=1", "consistency?from=1"):
        statuses = [api.get(f"/v1/audit/{path}", by).status_code for by in (None, api.token("dashboard"), api.operator)]

        assert statuses == [401, 403, 200]


def test_an_event_that_no_checkpoint_covers_yet_is_waited_for(open_api):
    api = open_api(MAWID_AT_LEAST_WAIT_S_MAX="20")
    api.sign()
    api.given_an_office()
    signing = Timer(0.2, api.sign)
    signing.start()

    answer = api.get("/v1/audit/inclusion", api.operator, params={"position": api.head()})

    signing.join()
    assert (answer.status_code, answer.json()["size"]) == (200, api.head())


def test_without_a_signer_an_answer_does_not_wait_for_ever(open_api):
    api = open_api(MAWID_AT_LEAST_WAIT_S_MAX="0")

    response = api.get("/v1/audit/checkpoint", api.operator)

    assert (response.status_code, response.json()["type"]) == (503, "/problems/view-behind")
    assert response.headers["retry-after"]


def test_a_customer_keeps_a_receipt_of_the_latest_fact(api, booked, verified):
    booking, _ = booked
    path = f"/v1/bookings/{booking['reference']}"
    receipt = receipt_of(api, booking, booking["position"])

    cancelled = api.post(f"{path}/cancel", {"reason": "travel"}).json()
    not_yet = receipt_of(api, booking, cancelled["position"])
    api.sign()
    after = receipt_of(api, booking, cancelled["position"])

    assert receipt["position"] == not_yet["position"] == booking["position"]
    assert after["position"] == cancelled["position"]
    assert all(is_in(each, verified) for each in (receipt, not_yet, after))
    assert "receipt" not in api.get(path, api.operator).json()
    then = api.get(path, api.operator, params={"receipt": "true", "at_position": booking["position"]}).json()
    assert (then["status"], then["receipt"]["position"]) == ("confirmed", booking["position"])


def test_a_stream_is_told_with_the_checkpoint_it_was_read_under(api, auditor, booked, verified):
    stream = f"booking/{booked[0]['booking']}"

    told = api.get(f"/v1/audit/streams/{stream}", auditor).json()

    assert verified(told["checkpoint"]).size >= booked[0]["position"]


def test_a_booking_that_nothing_covers_yet_has_no_receipt(open_api):
    api = open_api()
    booked = api.given_a_booking(api.given_an_office())

    assert receipt_of(api, booked, booked["position"]) is None


def test_an_event_that_was_altered_in_the_database_is_not_proved_any_more(open_api):
    api = open_api()
    api.given_an_office()
    api.sign()
    with psycopg.connect(api.settings.storage.database_url) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE log SET at = at + interval '1 s' WHERE position = 2")

    answers = [api.get("/v1/audit/inclusion", api.operator, params={"position": n}).json() for n in (2, 4)]

    signed = Checkpoint.of(Note.parse(answers[0]["checkpoint"]))
    proved = [
        includes(a["position"] - 1, a["size"], b64decode(a["leaf"]), hashes(a["proof"]), signed.root) for a in answers
    ]
    assert proved == [False, True]


def test_how_far_signing_is_behind_and_whether_it_is_refused_are_metrics(open_api):
    api = open_api()
    api.sign()
    api.given_an_office()
    with psycopg.connect(api.settings.storage.database_url) as connection:
        connection.execute("INSERT INTO checkpoint_refusal (said, refused_at) VALUES ('cut', now())")

    told = api.get("/metrics").text.splitlines()

    [lag] = [float(line.split()[1]) for line in told if line.startswith("mawid_checkpoint_lag_events ")]
    assert lag > 0
    assert "mawid_checkpoint_refused 1.0" in told

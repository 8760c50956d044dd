"""Another key in the place of one: what the old one made stays good, or is refused, as its purpose has it."""

from datetime import UTC, datetime
from time import time

import psycopg
import pytest

from domain.identifiers import parse_reference, reference_for
from infra import key_rotation
from infra.bootstrap import views_for
from infra.checkpoints import Signer, origin_of
from infra.key_epochs import EPOCHS_MAX
from infra.key_rotation import (
    KeyRotationError,
    add_reference,
    end_signing_rotation,
    rotate_command,
    rotate_signing,
    rotate_token,
)
from infra.keys import KeyFileError, KeyFiles, Keys
from infra.reference_keys import reference_hash
from infra.signing import signing_files
from infra.tokens import InvalidToken, Role, TokenKeyFile, TokenReader, issue
from infra.wholeness import InconsistentLog
from projections.bookings import by_reference
from projections.follow import Follower

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Killed(BaseException):
    pass


@pytest.fixture
def connection(office):
    with psycopg.connect(office.instance.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(office):
    return office.instance.settings


def signed_now(settings, connection):
    return Signer(signing_files(settings)).sign(connection, NOW)


def verifiers(settings, connection):
    return signing_files(settings).known(origin_of(connection))


# -- signing ----------------------------------------------------------------------------------------------------------


def test_the_first_checkpoint_under_a_new_signing_key_is_signed_by_both(office, settings, connection):
    before = signed_now(settings, connection)

    both = rotate_signing(settings, connection, NOW)

    new, old = verifiers(settings, connection)
    assert before.note.signed_by(old) == [old]
    assert set(both.note.signed_by(new, old)) == {new, old}
    assert both.checkpoint == before.checkpoint


def test_after_the_end_the_new_key_alone_signs_and_old_checkpoints_still_verify(office, settings, connection):
    before = signed_now(settings, connection)
    rotate_signing(settings, connection, NOW)

    end_signing_rotation(settings)
    office.submit(office.booking(1))
    after = signed_now(settings, connection)

    new, old = verifiers(settings, connection)
    assert not signing_files(settings).previous_key.exists()
    assert after.note.signed_by(new, old) == [new]
    assert before.note.signed_by(new, old) == [old]


def test_a_signing_key_is_rotated_away_only_once_the_one_before_is_gone(office, settings, connection):
    rotate_signing(settings, connection, NOW)
    present = settings.keys.signing_key_file.read_bytes()

    with pytest.raises(KeyRotationError):
        rotate_signing(settings, connection, NOW)

    assert settings.keys.signing_key_file.read_bytes() == present


def test_a_rotation_killed_between_the_two_files_is_done_by_the_same_again(office, settings, connection, monkeypatch):
    before = signed_now(settings, connection)
    monkeypatch.setattr(key_rotation, "replace_key", killed)
    with pytest.raises(Killed):
        rotate_signing(settings, connection, NOW)
    monkeypatch.undo()
    office.submit(office.booking(1))
    assert len(signed_now(settings, connection).note.signatures) == 1

    both = rotate_signing(settings, connection, NOW)

    new, old = verifiers(settings, connection)
    assert set(both.note.signed_by(new, old)) == {new, old}
    assert before.note.signed_by(old) == [old]


def test_a_log_that_is_not_what_was_signed_keeps_its_signing_key(office, settings, connection):
    office.submit(office.booking(1))
    signed_now(settings, connection)
    present = settings.keys.signing_key_file.read_bytes()
    connection.execute("SET session_replication_role = replica")
    connection.execute("DELETE FROM log WHERE position = (SELECT max(position) FROM log)")
    connection.execute("UPDATE log_head SET position = position - 1")

    with pytest.raises(InconsistentLog):
        rotate_signing(settings, connection, NOW)

    assert settings.keys.signing_key_file.read_bytes() == present


def test_a_lost_signing_key_is_replaced_and_what_it_signed_stays_valid(office, settings, connection):
    before = signed_now(settings, connection)
    settings.keys.signing_key_file.unlink()

    after = rotate_signing(settings, connection, NOW)

    new, old = verifiers(settings, connection)
    assert before.note.signed_by(new, old) == [old]
    assert set(after.note.signed_by(new, old)) == {new, old}  # the head was signed before, and is so again
    with pytest.raises(KeyRotationError):
        end_signing_rotation(settings)


# -- token ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(office, settings):
    public_key = office.instance.keys.token.public_key()
    return TokenReader(public_key, replaced=TokenKeyFile(settings.keys.token_key_file, public_key).replaced)


def token_of(keys, now):
    return issue(keys, Role.AUDITOR, lifetime_s=60, now=now)


def test_a_running_reader_refuses_old_tokens_a_second_after_the_rotation_and_reads_new_ones(office, settings, reader):
    now = time()
    old = token_of(office.instance.keys, now)
    reader.read(old, now)

    rotate_token(settings)

    keys = Keys.open(KeyFiles.named_in(settings), create=False)
    assert reader.read(token_of(keys, now), now + 1).role is Role.AUDITOR
    with pytest.raises(InvalidToken):
        reader.read(old, now + 1)


def test_a_token_key_that_is_lost_meanwhile_changes_nothing_for_a_running_reader(office, settings, reader):
    now = time()
    settings.keys.token_key_file.unlink()

    assert reader.read(token_of(office.instance.keys, now), now).role is Role.AUDITOR
    assert reader.read(token_of(office.instance.keys, now), now + 2).role is Role.AUDITOR


def test_a_lost_token_key_is_replaced(office, settings):
    settings.keys.token_key_file.unlink()

    rotate_token(settings)

    assert Keys.open(KeyFiles.named_in(settings), create=False).token != office.instance.keys.token


# -- command ----------------------------------------------------------------------------------------------------------


def test_a_command_key_is_rotated_only_while_nobody_else_is_at_work(office, settings, connection, monkeypatch):
    monkeypatch.setattr(key_rotation, "_OTHERS_WAIT_S", 0.2)
    present = settings.keys.command_key_file.read_bytes()

    with pytest.raises(KeyRotationError):
        rotate_command(settings, connection)

    assert settings.keys.command_key_file.read_bytes() == present


def test_after_a_new_command_key_bookings_stand_and_the_rules_catch_what_comes_again(office, settings, connection):
    made = office.submit(office.booking(1)).answer["booking"]
    office.close()

    rotate_command(settings, connection)
    again = office.beside()
    refusal = again.submit(again.booking(1)).refusal

    assert (refusal.name, refusal.evidence["booking"]) == ("active-booking-exists", made)
    assert again.instance.keys.command != office.instance.keys.command
    assert again.instance.reference_of(made) == office.instance.reference_of(made)


@pytest.mark.parametrize("is_lost", [True, False])
def test_another_command_key_beside_a_log_does_not_start_and_rotating_is_a_way_out(
    office, settings, connection, is_lost
):
    office.close()
    settings.keys.command_key_file.unlink()
    if not is_lost:
        Keys.open(KeyFiles.named_in(settings))
    with pytest.raises(KeyFileError) as refusal:
        office.beside()
    assert str(settings.keys.command_key_file) in str(refusal.value)

    rotate_command(settings, connection)

    again = office.beside()
    assert again.submit(again.booking(2)).refusal is None


def test_a_rotation_killed_before_the_log_knows_is_done_by_the_same_again(office, settings, connection, monkeypatch):
    office.close()
    monkeypatch.setattr(key_rotation, "record_command_key", killed)
    with pytest.raises(Killed):
        rotate_command(settings, connection)
    monkeypatch.undo()
    with pytest.raises(KeyFileError):
        office.beside()

    rotate_command(settings, connection)

    again = office.beside()
    assert again.submit(again.booking(2)).refusal is None


def killed(*_args, **_asked):
    raise Killed


# -- reference --------------------------------------------------------------------------------------------------------


@pytest.fixture
def before_and_after(office, settings, connection):
    """A booking of before and its reference, one of after, and the office that runs now."""
    old = office.submit(office.booking(1)).answer["booking"]
    reference = office.instance.reference_of(old)
    office.close()
    add_reference(settings, connection)
    again = office.beside()
    new = again.submit(again.booking(2)).answer["booking"]
    return old, reference, new, again


def found_by(dsn, settings, reference):
    with Follower(dsn, views_for(settings, dsn)) as follower:
        follower.catch_up()
    with psycopg.connect(dsn) as connection:
        row = by_reference(connection, reference_hash(parse_reference(reference)))
    return row.booking if row is not None else None


def test_old_references_stay_good_beside_a_new_key(before_and_after, settings):
    old, reference, new, again = before_and_after
    dsn = again.instance.dsn

    keys = again._rows(
        "SELECT convert_from(state, 'UTF8')::json ->> 'reference_key' FROM log WHERE type = 'SlotBooked.v1'"
    )

    assert {key for (key,) in keys} == {
        key.id for key in (again.instance.keys.reference, *again.instance.keys.reference_older)
    }
    assert again.instance.reference_of(old) == reference
    assert found_by(dsn, settings, reference) == old
    assert found_by(dsn, settings, again.instance.reference_of(new)) == new


def test_a_new_reference_is_of_the_new_key_and_only_the_first_telling_reads_the_log(before_and_after):
    _, _, new, again = before_and_after
    references = again.instance.references
    assert not references.is_at_hand(new)

    told = references.canonical_of(new)

    assert told == reference_for(new, again.instance.keys.reference.secret)
    assert references.is_at_hand(new)


def test_a_key_file_of_before_does_not_start(office, settings, connection, before_and_after, tmp_path):
    *_, again = before_and_after
    again.close()
    path = settings.keys.reference_key_file
    header, first, _ = path.read_text().splitlines()
    path.write_text(f"{header.replace('v2', 'v1')}\n{first}\n")

    with pytest.raises(KeyFileError) as refusal:
        office.beside()

    assert str(path) in str(refusal.value)


def test_reference_keys_are_added_only_up_to_a_limit_and_while_nobody_else_is_at_work(
    office, settings, connection, monkeypatch
):
    monkeypatch.setattr(key_rotation, "_OTHERS_WAIT_S", 0.2)
    present = settings.keys.reference_key_file.read_bytes()
    with pytest.raises(KeyRotationError):
        add_reference(settings, connection)
    assert settings.keys.reference_key_file.read_bytes() == present
    office.close()

    monkeypatch.undo()
    for _ in range(EPOCHS_MAX - 1):
        add_reference(settings, connection)
    with pytest.raises(KeyFileError):
        add_reference(settings, connection)

    assert len(Keys.open(KeyFiles.named_in(settings), create=False).reference_older) == EPOCHS_MAX - 1


@pytest.mark.parametrize("lines", ["", "A" * 43, "A" * 42 + "B\n", "\n".join(["A" * 43] * (EPOCHS_MAX + 1))])
def test_a_garbled_file_of_several_reference_keys_is_refused(office, settings, lines):
    path = settings.keys.reference_key_file
    path.write_text(f"mawid reference key v2: makes\n{lines.replace('A' * 43, 'A' * 42 + '+', 1)}")

    with pytest.raises(KeyFileError):
        Keys.open(KeyFiles.named_in(settings))

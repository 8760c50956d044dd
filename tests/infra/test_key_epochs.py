"""A vault key file of several epochs reads as it was written, and nothing else reads as one."""

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.key_epochs import EPOCHS_MAX, Epoch, Epochs, epochs_in, lines_of
from infra.keys import KeyFileError, KeyFiles, Keys, replace_vault_epochs, vault_epochs

SECRETS = st.binary(min_size=32, max_size=32)
INSTANTS = st.datetimes(datetime(2011, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda instant: instant.replace(microsecond=0)
)
KEPT = st.builds(
    Epochs, SECRETS, st.lists(st.builds(Epoch, st.none() | INSTANTS, SECRETS), min_size=1, max_size=EPOCHS_MAX)
)


@given(KEPT)
def test_what_is_written_reads_the_same(kept):
    assert epochs_in(lines_of(kept)) == kept


@given(KEPT, st.data())
def test_a_line_less_or_a_character_changed_is_never_another_key_of_the_same_length(kept, data):
    lines = lines_of(kept)
    at = data.draw(st.integers(0, len(lines) - 1))

    read = epochs_in(lines[:at] + b"?" + lines[at + 1 :])

    assert read is None


@given(st.binary(max_size=400))
def test_no_other_bytes_read_as_epochs(content):
    assert epochs_in(content) is None


@pytest.fixture
def files(tmp_path):
    return KeyFiles(**{name: tmp_path / name for name in ("signing", "token", "vault", "reference", "command")})


def test_a_file_of_one_key_is_one_epoch_and_a_number_stays_who_it_is_when_another_is_added(files):
    before = Keys.open(files)
    kept = vault_epochs(files.vault)
    new = Epoch(datetime(2026, 11, 24, tzinfo=UTC), os.urandom(32))

    replace_vault_epochs(files.vault, kept._replace(epochs=[*kept.epochs, new]))
    after = Keys.open(files, create=False)

    assert after.number_lookup("1010101010") == before.number_lookup("1010101010")
    assert after.vault.secret == new.secret
    assert after.vault_older == (before.vault,)
    assert files.vault.stat().st_mode & 0o077 == 0
    assert not [path for path in files.vault.parent.iterdir() if path.name.startswith(".")]


def test_the_bytes_of_a_key_that_was_dropped_are_overwritten_where_they_lay(files, tmp_path):
    Keys.open(files)
    kept = vault_epochs(files.vault)
    (tmp_path / "same-bytes").hardlink_to(files.vault)

    replace_vault_epochs(files.vault, kept._replace(epochs=[Epoch(datetime(2026, 1, 1, tzinfo=UTC), os.urandom(32))]))

    assert set((tmp_path / "same-bytes").read_bytes()) == {0}


@pytest.mark.parametrize("content", [b"", b"numbers x\n", b"first x\n", b"numbers "])
def test_a_file_that_says_it_holds_several_and_does_not_is_refused_in_a_sentence(files, content):
    Keys.open(files)
    files.vault.write_bytes(b"mawid vault key v2: seals\n" + content)

    with pytest.raises(KeyFileError):
        Keys.open(files)


def test_no_secret_is_shown_when_printed():
    secret = b"s" * 32

    assert "ss" not in repr(Epochs(secret, [Epoch(None, secret)]))

import re
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from infra.signed_note import (
    COSIGNATURE,
    NOTE_BYTES_MAX,
    SIZE_MAX,
    Checkpoint,
    Note,
    NoteError,
    VerifierKey,
    cosignature,
    cosigned_at_s,
    signed,
    verifier_key,
)

ORIGIN = "mawid/0f3a"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
VERIFIER = verifier_key(ORIGIN, KEY)
CHECKPOINT = Checkpoint(ORIGIN, 20852163, bytes(range(32)))
NOTE = signed(CHECKPOINT.text, ORIGIN, [KEY])

# Given as examples in the specifications of signed notes (Go's golang.org/x/mod/sumdb/note) and of cosignatures.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
PUBLISHED_COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


def test_the_note_that_go_publishes_is_signed_by_the_key_it_publishes():
    key = VerifierKey.parse(PUBLISHED_KEY)

    assert Note.parse(PUBLISHED_NOTE).signed_by(key) == [key]
    assert str(key) == PUBLISHED_KEY
    assert str(Note.parse(PUBLISHED_NOTE)) == PUBLISHED_NOTE


def test_the_checkpoint_that_the_specification_shows_is_read():
    note = Note.parse(PUBLISHED_COSIGNED)

    checkpoint = Checkpoint.of(note)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert cosigned_at_s(note.signatures[1]) == 1679315147
    assert str(note) == PUBLISHED_COSIGNED


def test_a_checkpoint_is_read_back_as_it_was_signed():
    note = Note.parse(str(NOTE).encode())

    assert note.signed_by(VERIFIER) == [VERIFIER]
    assert Checkpoint.of(note) == CHECKPOINT


def test_a_key_that_is_unknown_or_of_another_name_has_signed_nothing():
    for key in (verifier_key(ORIGIN, OTHER), verifier_key("other", KEY), verifier_key(ORIGIN, KEY, COSIGNATURE)):
        with pytest.raises(NoteError):
            NOTE.signed_by(key)


def test_a_known_keys_false_line_spoils_a_note_that_another_key_has_signed():
    false = NOTE.signatures[0].__class__(ORIGIN, VERIFIER.id, bytes(64))
    note = signed(CHECKPOINT.text, ORIGIN, [OTHER]).with_signatures([false])

    assert note.signed_by(verifier_key(ORIGIN, OTHER))
    with pytest.raises(NoteError):
        note.signed_by(verifier_key(ORIGIN, OTHER), VERIFIER)


def test_old_and_new_key_sign_the_same_text():
    note = signed(CHECKPOINT.text, ORIGIN, [OTHER, KEY])

    assert note.signed_by(VERIFIER) == [VERIFIER]
    assert note.signed_by(VERIFIER, verifier_key(ORIGIN, OTHER)) == [VERIFIER, verifier_key(ORIGIN, OTHER)]


def test_a_cosignature_holds_for_its_text_and_its_time():
    line = cosignature(CHECKPOINT.text, "w1", OTHER, 1679315147)
    note = Note.parse(str(NOTE.with_signatures([line])))
    witness = VerifierKey.parse(str(verifier_key("w1", OTHER, COSIGNATURE)))

    assert note.signed_by(witness) == [witness]
    assert cosigned_at_s(note.signatures[1]) == 1679315147
    later = note.signatures[1].__class__("w1", witness.id, (1679315148).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(NoteError):
        NOTE.with_signatures([later]).signed_by(witness)


def test_a_witness_that_cosigns_again_has_one_line():
    once = NOTE.with_signatures([cosignature(CHECKPOINT.text, "w1", OTHER, 1)])

    twice = once.with_signatures([cosignature(CHECKPOINT.text, "w1", OTHER, 2)])

    assert [cosigned_at_s(line) for line in twice.signatures[1:]] == [2]


@given(st.integers(0, len(str(NOTE).encode()) - 1), st.integers(1, 255))
def test_a_note_with_any_byte_changed_is_refused(place, change):
    raw = bytearray(str(NOTE).encode())
    raw[place] ^= change

    with pytest.raises(NoteError):
        Note.parse(bytes(raw)).signed_by(VERIFIER)


@given(st.integers(0, len(str(NOTE).encode()) - 1))
def test_a_note_cut_short_is_refused(length):
    with pytest.raises(NoteError):
        Note.parse(str(NOTE).encode()[:length]).signed_by(VERIFIER)


@given(st.binary() | st.text())
def test_whatever_is_no_note_is_refused_by_one_error(content):
    with pytest.raises(NoteError):
        Note.parse(content)


@pytest.mark.parametrize(
    "spoiled",
    [
        str(NOTE).replace("\n", "\r\n"),
        str(NOTE).replace("— ", "- "),
        str(NOTE).replace(f"— {ORIGIN}", "— "),
        str(NOTE).replace(f"— {ORIGIN}", "— a+b"),
        str(NOTE).replace(f"— {ORIGIN}", "— a\u00a0b"),
        str(NOTE).removesuffix("\n"),
        str(NOTE) + "\n",
        str(NOTE) + "more",
        str(NOTE).replace("=\n", "\n"),
        str(NOTE) + "— x AAAA\n",
        str(NOTE) + 65 * "— x AAAAAAA=\n",
        "x" * NOTE_BYTES_MAX + "\n" + str(NOTE),
        "a\n\n" + f"— {ORIGIN} =\n",
        "\ufeff\ud800",
    ],
)
def test_a_note_that_is_written_otherwise_is_refused(spoiled):
    with pytest.raises(NoteError):
        Note.parse(spoiled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n5\n",
        CHECKPOINT.text + "extension\n",
        CHECKPOINT.text.replace(ORIGIN, ""),
        CHECKPOINT.text.replace("20852163", "020852163"),
        CHECKPOINT.text.replace("20852163", "+20852163"),
        CHECKPOINT.text.replace("20852163", "-1"),
        CHECKPOINT.text.replace("20852163", "٢"),
        CHECKPOINT.text.replace("20852163", str(SIZE_MAX + 1)),
        CHECKPOINT.text.replace("20852163", "1" * 5000),
        f"{ORIGIN}\n5\n{b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n5\n{b64encode(bytes(32)).decode()[:-2]}B=\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text):
    with pytest.raises(NoteError):
        Checkpoint.of(signed(text, ORIGIN, [KEY]))


@pytest.mark.parametrize(
    "spoiled",
    [
        "",
        "name",
        re.sub(r"\+[0-9a-f]{8}\+", "+00000000+", str(VERIFIER)),
        str(VERIFIER).replace(ORIGIN, "other"),
        str(VERIFIER)[:-1],
        str(VERIFIER).upper(),
        f"a b+{str(VERIFIER).partition('+')[2]}",
        "n+00000000+" + b64encode(b"\x02" + bytes(32)).decode(),
    ],
)
def test_what_is_no_verifier_key_is_refused(spoiled):
    with pytest.raises(NoteError):
        VerifierKey.parse(spoiled)

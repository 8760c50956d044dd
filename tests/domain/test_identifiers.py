from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from domain.calendar import RIYADH
from domain.identifiers import (
    ARABIC_DIGITS,
    CROCKFORD,
    DIRECTION_MARKS,
    PERSIAN_DIGITS,
    SPACES,
    InvalidNumber,
    InvalidReference,
    InvalidSlotId,
    InvalidStart,
    booking_id,
    is_booking_id,
    make_number,
    parse_number,
    parse_reference,
    parse_slot_id,
    parse_start,
    person_id,
    reference_for,
    show_reference,
    slot_id,
    slot_stream,
)

NINE = datetime(2011, 2, 5, 9, tzinfo=RIYADH)
KEY = b"a key of the tests, not a secret"
KINDS = st.sampled_from(["citizen", "resident", "border"])
SEEDS = st.integers(0, 10**8 - 1)
CHECKED = st.builds(make_number, st.sampled_from(["citizen", "resident"]), SEEDS)
REFERENCES = st.builds(reference_for, st.text("0123456789abc", min_size=1, max_size=20), st.just(KEY))


def luhn_holds(digits: str) -> bool:
    """The textbook form, digit by digit from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# -- slots ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [UTC, RIYADH, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))])
def test_a_slot_is_named_by_office_wall_time_from_any_zone(zone):
    assert slot_id("CA-TB-01", NINE.astimezone(zone)) == "CA-TB-01@2011-02-05T09:00"
    assert slot_stream("CA-TB-01", NINE.astimezone(zone)) == "slot/CA-TB-01@2011-02-05T09:00"


def test_a_start_without_a_zone_names_no_slot():
    with pytest.raises(ValueError, match="time zone"):
        slot_id("CA-TB-01", datetime.fromisoformat("2011-02-05T09:00"))


@given(st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2099-12-31")))
def test_a_slot_id_parses_back_to_its_office_and_start(wall):
    start = wall.replace(second=0, microsecond=0, tzinfo=RIYADH)

    assert parse_slot_id(slot_id("CL-07", start)) == ("CL-07", start)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CA-TB-01",
        "@2011-02-05T09:00",
        "CA-TB-01@",
        "CA-TB-01@2011-02-05",
        "CA-TB-01@2011-02-05T09:00:00",
        "CA-TB-01@2011-02-05t09:00",
        "CA-TB-01@2011-02-05T09:00Z",
        "CA-TB-01@2011-02-30T09:00",
        "CA-TB-01@2011-02-05T09:00\n",
        "ca-tb-01@2011-02-05T09:00",
        "CA-TB-01@x@2011-02-05T09:00",
        "slot/CA-TB-01@2011-02-05T09:00",
        "CA-TB-01@٢٠١١-02-05T09:00",
    ],
)
def test_only_the_canonical_slot_id_parses(text):
    with pytest.raises(InvalidSlotId):
        parse_slot_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "2011-02-05T09:00",
        "2011-02-05T09:00:00",
        "2011-02-05T09:00:00.000",
        "2011-02-05T09:00+03:00",
        "2011-02-05T09:00:00+03:00",
        "2011-02-05T06:00:00Z",
        "2011-02-05t06:00:00.000z",
        "2011-02-05T06:00:00-00:00",
        "2011-02-05T20:00:00+14:00",
        "2011-02-04T18:00:00-12:00",
    ],
)
def test_a_start_is_read_as_an_instant_or_as_office_wall_time(text):
    start = parse_start(text)

    assert start == NINE
    assert start.tzinfo is RIYADH


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "format"),
        ("2011-02-05", "format"),
        ("2011-02-05 09:00", "format"),
        (" 2011-02-05T09:00", "format"),
        ("2011-02-05T09:00\n", "format"),
        ("2011-02-05T09", "format"),
        ("20110205T0900", "format"),
        ("2011-W05-6T09:00", "format"),
        ("2011-02-05T09:00+0300", "format"),
        ("2011-02-05T09:00+25:00", "format"),
        ("2011-02-05T09:00+03:75", "format"),
        ("2011-02-05T09:00:00,000", "format"),
        ("2011-02-05T٠٩:٠٠", "format"),
        ("1296885600", "format"),
        ("10000-01-01T09:00", "format"),
        ("0000-01-01T09:00", "year"),
        ("0001-01-01T00:00+14:00", "year"),
        ("1432-06-11T09:00", "year"),
        ("1999-12-31T23:45", "year"),
        ("2100-01-01T00:00", "year"),
        ("2099-12-31T21:00Z", "year"),
        ("9999-12-31T23:59:59-12:00", "year"),
        ("2011-02-29T09:00", "date"),
        ("2011-13-01T09:00", "date"),
        ("2011-02-05T24:00", "date"),
        ("2011-02-05T09:60", "date"),
        ("2011-02-05T09:00:30", "seconds"),
        ("2011-02-05T09:00:00.000000001Z", "seconds"),
        ("2016-12-31T23:59:60Z", "seconds"),
    ],
)
def test_an_absurd_start_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidStart) as refusal:
        parse_start(text)

    assert refusal.value.reason == reason


def test_the_years_are_those_of_the_office():
    assert parse_start("1999-12-31T21:00Z") == datetime(2000, 1, 1, tzinfo=RIYADH)
    assert parse_start("2012-02-29T09:00").date().isoformat() == "2012-02-29"


@given(st.text(max_size=40))
def test_any_text_is_a_start_or_an_invalid_start(text):
    try:
        start = parse_start(text)
    except InvalidStart:
        return

    assert start.utcoffset() == timedelta(hours=3)


# -- beneficiary numbers ----------------------------------------------------------------------------------------------


@given(KINDS, SEEDS)
@example("citizen", 0)
@example("border", 10**8 - 1)
def test_a_made_number_is_valid_and_of_its_kind(kind, seed):
    number = parse_number(make_number(kind, seed))

    assert number.kind == kind
    assert len(number.digits) == 10
    assert kind == "border" or luhn_holds(number.digits)


@given(KINDS, SEEDS, SEEDS)
def test_distinct_seeds_make_distinct_numbers(kind, one, other):
    assert (make_number(kind, one) == make_number(kind, other)) == (one == other)


@pytest.mark.parametrize("seed", [-1, 10**8])
def test_a_seed_outside_its_range_makes_no_number(seed):
    with pytest.raises(ValueError, match="seed"):
        make_number("border", seed)


def verdict(text: str) -> str:
    try:
        return parse_number(text).kind
    except InvalidNumber as refusal:
        return refusal.reason


@given(st.text("0123456789", min_size=10, max_size=10))
def test_ten_digits_are_judged_by_first_digit_and_luhn(digits):
    verdicts = {"1": "citizen", "2": "resident", "3": "border", "4": "border"}
    if not luhn_holds(digits):
        verdicts |= {"1": "check-digit", "2": "check-digit"}

    assert verdict(digits) == verdicts.get(digits[0], "first-digit")


@given(CHECKED, st.integers(1, 9), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_seen(digits, place, wrong):
    assume(digits[place] != wrong)

    with pytest.raises(InvalidNumber) as refusal:
        parse_number(digits[:place] + wrong + digits[place + 1 :])

    assert refusal.value.reason == "check-digit"


@given(
    CHECKED,
    st.sampled_from([ARABIC_DIGITS, PERSIAN_DIGITS]),
    st.text(SPACES + DIRECTION_MARKS, max_size=4),
    st.text(SPACES + DIRECTION_MARKS, max_size=4),
)
def test_other_digits_and_what_stands_around_them_are_stored_as_ascii(digits, script, before, after):
    spelled = before + digits.translate(str.maketrans("0123456789", script)) + after

    assert parse_number(spelled).digits == digits


def test_digits_of_two_scripts_may_be_mixed():
    assert parse_number("1٠۰0000008").digits == "1000000008"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("  ", "length"),
        ("100000000", "length"),
        ("10000000080", "length"),
        ("1" * 100_000, "length"),
        ("0000000000", "first-digit"),
        ("5000000000", "first-digit"),
        ("9999999999", "first-digit"),
        ("1000000007", "check-digit"),
        ("2000000000", "check-digit"),
        ("100000000x", "not-a-digit"),
        ("1000 000008", "not-a-digit"),
        ("1000-000008", "not-a-digit"),
        ("+1000000008", "not-a-digit"),
        ("1000000008\x00", "not-a-digit"),
        ("10000\u200b00008", "not-a-digit"),
        ("10000\u200d00008", "not-a-digit"),
        ("10000\u200f00008", "not-a-digit"),
        ("\ufeff1000000008", "not-a-digit"),
        ("１０００００００００", "not-a-digit"),
        ("१०००००००००", "not-a-digit"),
        ("100000000²", "not-a-digit"),
    ],
)
def test_a_wrong_number_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidNumber) as refusal:
        parse_number(text)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("9x", "not-a-digit"), ("9", "length"), ("9000000001", "first-digit"), ("1000000001", "check-digit")],
)
def test_of_several_reasons_the_first_is_given(text, reason):
    """Order: not-a-digit, length, first-digit, check-digit."""
    with pytest.raises(InvalidNumber) as refusal:
        parse_number(text)

    assert refusal.value.reason == reason


def test_border_numbers_begin_with_3_or_4_and_have_no_check_digit():
    assert [parse_number(text).kind for text in ("3000000001", "4000000000", "4999999999")] == ["border"] * 3


def test_neither_a_refusal_nor_a_repr_shows_the_number():
    with pytest.raises(InvalidNumber) as refusal:
        parse_number("1000000007")
    number = parse_number("1000000008")

    assert "1000000007" not in f"{refusal.value!s} {refusal.value!r} {vars(refusal.value)}"
    assert refusal.value.__context__ is None
    assert "1000000008" not in f"{number!r} {number!s} {number.__rich_repr__()}"


# -- ids and references -----------------------------------------------------------------------------------------------


def test_ids_and_references_are_what_they_were_in_the_first_release():
    booking = booking_id(bytes(16), key=KEY)

    assert booking == "7tb1yjyfpzzvd5hm97p1"
    assert booking_id(bytes(16), 1, key=KEY) == "bqw3539mypsn0je6j9qp"
    assert reference_for(booking, KEY) == "NHZB3ZDCFZVJ1"
    assert person_id(bytes(range(16))) == "00041061050r3gg28a1c60t3gf"


@given(st.binary(min_size=16, max_size=16), st.integers(0, 10_000))
def test_a_command_makes_the_same_booking_ids_again(command_id, index):
    made = booking_id(command_id, index, key=KEY)

    assert is_booking_id(made)
    assert made == booking_id(command_id, index, key=KEY)
    assert made != booking_id(command_id, index + 1, key=KEY)
    assert made != booking_id(command_id, index, key=KEY[::-1])


@given(st.binary(min_size=16, max_size=16), st.integers(0, 10_000))
def test_a_booking_id_writes_the_first_hundred_bits_of_its_hash(command_id, index):
    message = command_id + index.to_bytes(4, "big")
    digest = blake2b(message, digest_size=13, key=KEY, person=b"booking id").digest()

    bits = f"{int.from_bytes(digest, 'big'):0104b}"[:100]

    written = "".join(CROCKFORD[int(bits[at : at + 5], 2)] for at in range(0, 100, 5)).lower()
    assert booking_id(command_id, index, key=KEY) == written


@pytest.mark.parametrize("text", ["", "0rc7bwb476sbnf9zhyr", "0rc7bwb476sbnf9zhyrru", "0RC7BWB476SBNF9ZHYRR", "u" * 20])
def test_other_texts_are_not_booking_ids(text):
    assert not is_booking_id(text)


@given(st.text(min_size=20, max_size=21))
@example("0rc7bwb476sbnf9zhyr\n")
@example("0rc7bwb476sbnf9zhyrr\n")
def test_a_booking_id_is_twenty_characters_of_the_alphabet(text):
    assert is_booking_id(text) == (len(text) == 20 and set(text) <= set(CROCKFORD.lower()))


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_person_ids_are_26_characters_and_keep_every_bit(one, other):
    assert len(person_id(one)) == 26
    assert set(person_id(one)) <= set(CROCKFORD.lower())
    assert (person_id(one) == person_id(other)) == (one == other)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_person_id_is_made_of_sixteen_bytes(length):
    with pytest.raises(ValueError, match="16"):
        person_id(bytes(length))


@given(REFERENCES)
def test_a_reference_is_read_as_it_is_shown(reference):
    shown = show_reference(reference)

    assert [len(group) for group in shown.split("-")] == [4, 4, 4, 1]
    assert parse_reference(shown) == parse_reference(reference) == reference


@given(REFERENCES, st.data())
def test_a_reference_is_read_as_people_write_it(reference, data):
    spellings = {"0": "0Oo٠۰", "1": "1IiLl١۱"} | {
        str(n): f"{n}{ARABIC_DIGITS[n]}{PERSIAN_DIGITS[n]}" for n in range(2, 10)
    }
    between = st.text(SPACES + DIRECTION_MARKS + "-–\u2011", max_size=2)
    written = "".join(
        data.draw(between) + data.draw(st.sampled_from(spellings.get(character, character + character.lower())))
        for character in reference
    )

    assert parse_reference(written + data.draw(between)) == reference


@given(REFERENCES)
def test_every_single_wrong_character_is_seen(reference):
    for place in range(13):
        for wrong in CROCKFORD.replace(reference[place], ""):
            with pytest.raises(InvalidReference) as refusal:
                parse_reference(reference[:place] + wrong + reference[place + 1 :])
            assert refusal.value.reason == "check"


def test_nearly_every_swap_of_neighbours_is_seen():
    references = [reference_for(str(n), b"any key will do for a sample") for n in range(500)]
    swaps = [
        reference[:place] + reference[place + 1] + reference[place] + reference[place + 2 :]
        for reference in references
        for place in range(12)
        if reference[place] != reference[place + 1]
    ]

    unseen = [swapped for swapped in swaps if is_reference(swapped)]

    assert len(unseen) < len(swaps) / 100


def is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except InvalidReference:
        return False
    return True


def test_the_contracts_example_is_a_reference():
    assert show_reference(parse_reference("7m4k 92qx r3tb h")) == "7M4K-92QX-R3TB-H"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("000000000000", "length"),
        ("00000000000000", "length"),
        ("0000-0000-0000-U", "alphabet"),
        ("0000-0000-0000-*", "alphabet"),
        ("0000_0000_0000_0", "alphabet"),
        ("000000000000\u200b0", "alphabet"),
        ("０000000000000", "alphabet"),
        ("0000000000001", "check"),
    ],
)
def test_a_wrong_reference_is_refused_without_showing_it(text, reason):
    with pytest.raises(InvalidReference) as refusal:
        parse_reference(text)

    assert refusal.value.reason == reason
    assert not text or text not in f"{refusal.value!s} {refusal.value!r}"


def test_references_of_other_keys_and_bookings_differ():
    assert len({reference_for(booking, key) for booking in ("a", "b") for key in (KEY, KEY[::-1])}) == 4

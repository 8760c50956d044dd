import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import ARABIC_DIGITS, PERSIAN_DIGITS
from domain.mobile import InvalidMobile, parse_mobile


@pytest.mark.parametrize(
    "text",
    [
        "+966500000001",
        "0500000001",
        "500000001",
        "966500000001",
        "00966500000001",
        "+966 50 000 0001",
        "+966-50-000-0001",
        "+966 (0)50 000 0001",
        "050.000.0001",
        "  0500000001\n",
        "٠٥٠٠٠٠٠٠٠١",
        "+٩٦٦ ٥٠ ٠٠٠ ٠٠٠١",
        "۰۵۰۰۰۰۰۰۰۱",
        "\u202a+966 50 000 0001\u202c",
        "+966\u00a050\u2011000\u20110001",
    ],
)
def test_any_usual_saudi_spelling_is_stored_as_e164(text):
    assert parse_mobile(text) == "+966500000001"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "invalid"),
        ("+", "invalid"),
        ("++966500000001", "invalid"),
        ("05", "invalid"),
        ("050000000", "invalid"),
        ("05000000011", "invalid"),
        ("+96650000000", "invalid"),
        ("0520000001", "invalid"),
        ("12025550123", "invalid"),
        ("+999123456789", "invalid"),
        ("+1234", "invalid"),
        ("0" * 1000, "invalid"),
        ("my number is 0500000001", "invalid"),
        ("0500000001 ext 5", "invalid"),
        ("tel:0500000001", "invalid"),
        ("050FLOWERS", "invalid"),
        ("०५०००००००१", "invalid"),
        ("+966५00000001", "invalid"),
        ("+9665000000०१", "invalid"),
        ("0500000001\x00", "invalid"),
        ("0112345678", "not-mobile"),
        ("+966112345678", "not-mobile"),
        ("920012345", "not-mobile"),
        ("8001234567", "not-mobile"),
        ("+12025550123", "not-saudi"),
        ("0012025550123", "not-saudi"),
        ("+971 50 123 4567", "not-saudi"),
        ("+44 7700 900123", "not-saudi"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidMobile) as refusal:
        parse_mobile(text)

    assert refusal.value.reason == reason
    assert refusal.value.__cause__ is None
    assert not text.strip("+") or text not in f"{refusal.value!s} {refusal.value!r}"


def is_mobile_to_the_library(text: str) -> bool:
    number = phonenumbers.parse(text, "SA")
    is_mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    return is_mobile and number.country_code == 966 and phonenumbers.is_valid_number(number)


def is_mobile_to_us(text: str) -> bool:
    try:
        parse_mobile(text)
    except InvalidMobile:
        return False
    return True


def test_the_short_cut_agrees_with_the_library_on_every_prefix():
    texts = [f"{written}5{prefix:03d}12345" for prefix in range(1000) for written in ("+966", "0")]

    assert [is_mobile_to_us(text) for text in texts] == [is_mobile_to_the_library(text) for text in texts]


@given(
    st.sampled_from(["+9665", "05", "5", "9665", "009665"]),
    st.text("0123456789", min_size=7, max_size=9),
    st.sampled_from(["0123456789", ARABIC_DIGITS, PERSIAN_DIGITS]),
)
def test_every_spelling_is_judged_as_the_library_judges_it(start, rest, script):
    text = (start + rest).translate(str.maketrans("0123456789", script))

    assert is_mobile_to_us(text) == is_mobile_to_the_library(start + rest)

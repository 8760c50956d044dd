import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.operation import ALL_MINUTES, minutes_of, text_of


@given(st.sets(st.integers(0, 59)))
def test_a_set_of_minutes_is_written_and_read_back(minutes):
    bits = sum(1 << minute for minute in minutes)

    assert minutes_of(text_of(bits)) == bits


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0, ""),
        (1, "0"),
        (1 << 59, "59"),
        (ALL_MINUTES, "0-59"),
        (0b1011, "0-1,3"),
        (ALL_MINUTES & ~(1 << 15), "0-14,16-59"),
    ],
)
def test_minutes_are_told_as_runs(bits, text):
    assert text_of(bits) == text

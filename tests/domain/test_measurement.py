"""Exact figures: values, scores, the index, and how they are written down."""

import random
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.indicators import INDICATORS, PERSPECTIVES
from domain.measurement import (
    Period,
    check_given,
    decimal,
    fraction_of,
    improvement,
    index,
    measured_before,
    missing,
    parts_of,
    perspective_score,
)

#: The table of the measurement's first version, once more: weight, floor, target.
TABLE = """
A1 .50 0 1
A2 .30 0 1
A3 .20 .50 1
B1 .50 .95 .999
B2 .30 .80 .99
B3 .20 .90 .999
C1 .30 .50 1
C2 .40 .70 .98
C3 .30 .60 1
D1 .25 0 .95
D2 .15 14 3
D3 .20 .30 .05
D4 .10 .20 .02
D5 .15 .30 .85
D6 .15 60 10
"""
ROWS = {name: tuple(map(Fraction, rest)) for name, *rest in map(str.split, TABLE.strip().splitlines())}


def drawn(seed):
    """A value for each indicator: below its floor, between, on target, beyond."""
    chance = random.Random(seed)
    values = {}
    for name, (_, floor, target) in ROWS.items():
        reached = Fraction(chance.randint(-3, 13), chance.choice([7, 10, 13]))
        value = max(Fraction(0), floor + (target - floor) * reached)
        values[name] = f"{value.numerator}/{value.denominator}"
    return values


complete = st.integers(0, 2**32).map(drawn)
whenever = settings(deadline=None)  # the machine may be busy


def test_the_indicators_are_those_of_the_table():
    assert {name: (each.weight, each.floor, each.target) for name, each in INDICATORS.items()} == ROWS
    assert [sum(each.weight for each in perspective.indicators) for perspective in PERSPECTIVES] == [1, 1, 1, 1]
    assert sum(perspective.weight for perspective in PERSPECTIVES) == 1


@whenever
@given(complete)
def test_the_index_is_the_mean_of_the_perspectives(values):
    scores: dict[str, Fraction] = {}
    for name, (weight, floor, target) in ROWS.items():
        reached = (Fraction(values[name]) - floor) / (target - floor)
        scores[name[0]] = scores.get(name[0], Fraction()) + weight * min(max(reached, Fraction(0)), Fraction(1))

    assert index(values) == sum(scores.values()) / 4
    assert {each.name: perspective_score(each, values) for each in PERSPECTIVES} == scores


@whenever
@given(complete, st.sampled_from(list(ROWS)))
def test_without_one_value_there_is_no_index_and_never_a_zero(values, name):
    del values[name]

    assert index(values) is None
    assert missing(values) == (name,)
    assert {each.name: perspective_score(each, values) is None for each in PERSPECTIVES} == {
        each.name: each.name == name[0] for each in PERSPECTIVES
    }


@whenever
@given(st.fractions(max_denominator=10**30))
def test_a_figure_is_written_with_28_significant_digits(figure):
    with localcontext(prec=60):
        exact = Decimal(figure.numerator) / Decimal(figure.denominator)
    with localcontext(prec=28, rounding="ROUND_HALF_UP"):
        rounded = +exact

    assert Decimal(decimal(figure)) == rounded


@pytest.mark.parametrize(
    ("figure", "written"),
    [
        (Fraction(0), "0"),
        (Fraction(1), "1"),
        (Fraction(100), "100"),
        (Fraction("0.8460"), "0.846"),
        (Fraction(1, 3), "0.3333333333333333333333333333"),
        (Fraction(2, 3), "0.6666666666666666666666666667"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(1, 10**9), "0.000000001"),
        (Fraction(10**29 + 5, 10**30), "0.1"),
    ],
)
def test_a_figure_ends_where_its_decimal_ends(figure, written):
    assert decimal(figure) == written


@pytest.mark.parametrize(
    ("value", "parts"),
    [("77/171", (77, 171)), ("2/4", (2, 4)), ("0.45", (9, 20)), ("3", (3, 1)), ("0", (0, 1)), ("0/7", (0, 7))],
)
def test_a_value_keeps_the_numbers_it_was_counted_as(value, parts):
    assert parts_of(value) == parts
    assert fraction_of(value) == Fraction(*parts)


@pytest.mark.parametrize("value", ["0", "1", "1/1", "0.999999999999999"[:16], "0/1", "999999999999999/999999999999999"])
def test_a_share_from_outside_lies_between_0_and_1(value):
    assert check_given(INDICATORS["A1"], value) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("A1", "2/1"),
        ("A1", "1.0001"),
        ("A1", "-0"),
        ("A1", "1/0"),
        ("A1", "1/-2"),
        ("A1", "1/2/3"),
        ("A1", "1.5/2"),
        ("A1", " 1"),
        ("A1", "1\n"),
        ("A1", ".5"),
        ("A1", "5."),
        ("A1", "+1"),
        ("A1", "1_0"),
        ("A1", "1000000000000000/1000000000000001"),
        ("D2", "inf"),
        ("D2", "-3"),
    ],
)
def test_what_is_no_value_is_refused(name, value):
    with pytest.raises(ValueError, match=r"^(is|has) "):
        check_given(INDICATORS[name], value)


def test_days_and_minutes_may_be_above_1():
    assert check_given(INDICATORS["D2"], "3.5") == "3.5"
    assert check_given(INDICATORS["D6"], "125/2") == "125/2"


@whenever
@given(complete, complete)
def test_an_improvement_is_relative_and_in_points(now, before):
    gained = improvement(now, before)

    index_now, index_before = index(now), index(before)
    assert index_now is not None
    assert index_before is not None
    assert gained.points == 100 * (index_now - index_before)
    if index_before:
        assert gained.overall == index_now / index_before - 1
    for each in PERSPECTIVES:
        was, is_now = perspective_score(each, before), perspective_score(each, now)
        assert was is not None
        assert is_now is not None
        assert gained.perspectives[each.name] == (is_now / was - 1 if was else None)


def test_an_improvement_is_told_against_the_latest_measurement_of_the_period_that_ended_last():
    months = [date(2011, month, 1) for month in range(1, 7)]
    periods = [
        Period("first quarter", months[0], months[3], 1),
        Period("march", months[2], months[3], 2),
        Period("march again", months[2], months[3], 3),
        Period("january", months[0], months[1], 4),
        Period("this", months[3], months[5], 5),
    ]

    assert measured_before(periods, months[5]) == "march again"
    assert measured_before(periods, months[3]) == "january"
    assert measured_before(periods, months[1]) is None
    assert measured_before([], months[1]) is None

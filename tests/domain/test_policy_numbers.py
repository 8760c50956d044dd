"""Names, units and bounds of the rules, as a policy file and the facts spell them."""

from datetime import datetime, timedelta

import msgspec
import pytest

from domain.calendar import RIYADH
from domain.policy import BUILT_IN, ChannelRule, Policy
from domain.policy_numbers import NUMBERS, InvalidRule, policy_of, refuse_invalid, rules_of

OPENS = datetime(2011, 3, 5, 8, tzinfo=RIYADH)
SMS = {"services": ["SV-CA-02"], "opens_at": OPENS.isoformat(), "share_percent": 25}


def test_every_number_of_the_policy_has_a_name():
    fields = {field.name for field in msgspec.structs.fields(Policy)} - {"version", "since", "channels"}

    assert sorted(number.field for number in NUMBERS) == sorted(fields)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_number_is_whole_and_within_its_bounds(number):
    for value in (number.least, number.most):
        refuse_invalid({number.name: value})
        told = getattr(policy_of({number.name: value}), number.field)
        assert told == (value * number.unit if number.unit else value)

    for value in (number.least - 1, number.most + 1, 1.0, "1", True, None, [1]):
        with pytest.raises(InvalidRule) as invalid:
            refuse_invalid({number.name: value})
        assert invalid.value.path == (number.name,)


def test_a_name_ends_in_its_unit():
    units = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "days": timedelta(days=1)}

    for number in NUMBERS:
        if number.unit is not None:
            assert units[number.name.rpartition("_")[2]] == number.unit


def test_the_rules_of_a_policy_make_the_same_policy():
    policy = policy_of({"hold_min": 5, "horizon_days": 45, "channels": {"sms": SMS}}, version=7)

    assert policy_of(rules_of(policy), version=7) == policy
    assert msgspec.json.decode(msgspec.json.encode(rules_of(policy))) == rules_of(policy)


def test_what_is_not_named_stays():
    before = policy_of({"hold_min": 5, "channels": {"sms": SMS, "kiosk": {"share_percent": 50}}})

    after = policy_of({"horizon_days": 45, "channels": {"sms": {}}}, before=before)

    assert (after.hold_lives, after.horizon_days) == (timedelta(minutes=5), 45)
    assert after.channels == {"kiosk": ChannelRule(share_percent=50)}


def test_a_wall_time_is_the_offices():
    for told in (OPENS, OPENS.replace(tzinfo=None), "2011-03-05T05:00:00Z"):
        policy = policy_of({"channels": {"portal": {"opens_at": told}}})

        assert policy.channels["portal"].opens_at == OPENS


@pytest.mark.parametrize(("capacity", "places"), [(1, 1), (3, 1), (4, 1), (7, 1), (8, 2), (100, 25)])
def test_a_share_is_rounded_down_and_at_least_one_place(capacity, places):
    assert ChannelRule(share_percent=25).places_of(capacity) == places


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({"horizon": 30}, ["horizon"]),
        ({"version": 2}, ["version"]),
        ({"channels": 1}, ["channels"]),
        ({"channels": {"travel_gate": {}}}, ["channels", "travel_gate"]),
        ({"channels": {"sms": "all"}}, ["channels", "sms"]),
        ({"channels": {"sms": {"share": 25}}}, ["channels", "sms", "share"]),
        ({"channels": {"sms": {"share_percent": 0}}}, ["channels", "sms", "share_percent"]),
        ({"channels": {"sms": {"share_percent": 101}}}, ["channels", "sms", "share_percent"]),
        ({"channels": {"sms": {"services": []}}}, ["channels", "sms", "services"]),
        ({"channels": {"sms": {"services": "SV-CA-02"}}}, ["channels", "sms", "services"]),
        ({"channels": {"sms": {"services": [2]}}}, ["channels", "sms", "services"]),
        ({"channels": {"sms": {"opens_at": "tomorrow"}}}, ["channels", "sms", "opens_at"]),
        ({"channels": {"sms": {"opens_at": 8}}}, ["channels", "sms", "opens_at"]),
    ],
)
def test_what_is_not_accepted_is_named(rules, path):
    with pytest.raises(InvalidRule) as invalid:
        refuse_invalid(rules)

    assert invalid.value.path == tuple(path)


def test_nothing_is_restricted_in_the_first_version():
    assert policy_of({}) == BUILT_IN
    assert BUILT_IN.channels == {}

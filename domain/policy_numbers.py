"""The policy as POLICY_FILE and the facts spell it: each number under a name that ends in its unit, with its bounds.

horizon_days = 45
channels.sms = { services = ["SV-CA-02"], opens_at = 2011-03-05T08:00:00+03:00, share_percent = 25 }
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from domain.calendar import RIYADH
from domain.policy import BOOKING_CHANNELS, BUILT_IN, ChannelRule, Policy

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CHANNELS: Final = "channels"
_ALL_SERVICES: Final = "all"
_CHANNEL_RULES: Final = ("services", "opens_at", "share_percent")


class Number(NamedTuple):
    name: str
    rule: str  # id in the contract
    field: str  # of Policy
    unit: timedelta | None  # of a field that is a length of time
    least: int
    most: int


NUMBERS: Final = (
    Number("active_per_person_max", "POL-02", "active_per_person_max", None, 1, 100),
    Number("horizon_days", "POL-03", "horizon_days", None, 0, 365),
    Number("remote_lead_min", "POL-04", "remote_lead", _MINUTE, 0, 10_080),
    Number("hold_min", "POL-05", "hold_lives", _MINUTE, 1, 1_440),
    Number("reschedules_max", "POL-06", "reschedules_max", None, 0, 100),
    Number("reschedule_lead_h", "POL-06", "reschedule_lead", _HOUR, 0, 720),
    Number("late_cancel_lead_h", "POL-07", "late_cancel_lead", _HOUR, 0, 720),
    Number("no_show_after_min", "POL-08", "no_show_after", _MINUTE, 0, 1_440),
    Number("ban_days", "POL-09", "ban_days", None, 0, 3_650),
    Number("ban_all_after", "POL-10", "ban_all_after", None, 1, 1_000),
    Number("ban_all_window_days", "POL-10", "ban_all_window", _DAY, 1, 3_650),
    Number("ban_all_days", "POL-10", "ban_all_days", None, 0, 3_650),
    Number("offer_min", "POL-11", "offer_lives", _MINUTE, 1, 10_080),
    Number("offer_lead_min", "POL-11", "offer_lead", _MINUTE, 0, 10_080),
    Number("waiting_max", "POL-11", "waiting_max", None, 0, 100_000),
)
_BY_NAME: Final = {number.name: number for number in NUMBERS}


class InvalidRule(ValueError):
    """`path`: the keys that lead to what is wrong."""

    def __init__(self, path: Sequence[str], problem: str) -> None:
        self.path, self.problem = tuple(path), problem
        super().__init__(f"{'.'.join(path)}: {problem}")


# -- to and from the policy -------------------------------------------------------------------------------------------


def policy_of(
    rules: Mapping[str, Any], *, version: int = 1, since: date | None = None, before: Policy = BUILT_IN
) -> Policy:
    """What `rules` do not name is as in `before`. Rules of a fact are taken as they are: they were valid once."""
    named: dict[str, Any] = {
        number.field: rules[number.name] * number.unit if number.unit else rules[number.name]
        for number in NUMBERS
        if number.name in rules
    }
    told: Mapping[str, Mapping[str, Any]] = rules.get(CHANNELS, {})
    channels = {**before.channels, **{channel: _channel_rule(rule) for channel, rule in told.items()}}
    numbers = {number.field: getattr(before, number.field) for number in NUMBERS} | named
    numbers[CHANNELS] = {channel: rule for channel, rule in channels.items() if rule != ChannelRule()}
    return Policy(version=version, since=since, **numbers)


def rules_of(policy: Policy) -> dict[str, object]:
    """All of them, as JSON types."""
    values = {number.name: (getattr(policy, number.field), number.unit) for number in NUMBERS}
    rules: dict[str, object] = {name: value // unit if unit else value for name, (value, unit) in values.items()}
    rules[CHANNELS] = {channel: _told(policy.channels[channel]) for channel in sorted(policy.channels)}
    return rules


def _channel_rule(told: Mapping[str, Any]) -> ChannelRule:
    services, opens_at = told.get("services", _ALL_SERVICES), told.get("opens_at")
    return ChannelRule(
        services=None if services == _ALL_SERVICES else frozenset(services),
        opens_at=_instant(opens_at) if opens_at is not None else None,
        share_percent=told.get("share_percent", 100),
    )


def _told(rule: ChannelRule) -> dict[str, object]:
    told: dict[str, object] = {"services": _ALL_SERVICES if rule.services is None else sorted(rule.services)}
    if rule.opens_at is not None:
        told["opens_at"] = rule.opens_at.isoformat()
    return told | {"share_percent": rule.share_percent}


def _instant(told: datetime | str) -> datetime:
    """Office time, of an instant or of a wall time."""
    instant = datetime.fromisoformat(told) if isinstance(told, str) else told
    return instant.replace(tzinfo=RIYADH) if instant.tzinfo is None else instant.astimezone(RIYADH)


# -- what is accepted -------------------------------------------------------------------------------------------------


def refuse_invalid(rules: Mapping[str, Any]) -> None:
    """InvalidRule names the first that is not accepted."""
    for name, value in rules.items():
        if name == CHANNELS:
            _refuse_invalid_channels(value)
        elif name not in _BY_NAME:
            raise InvalidRule([name], f"there is no such rule; there are {', '.join([*_BY_NAME, CHANNELS])}")
        else:
            number = _BY_NAME[name]
            _refuse_unless_whole([name], value, number.least, number.most)


def _refuse_invalid_channels(channels: object) -> None:
    if not isinstance(channels, Mapping):
        raise InvalidRule([CHANNELS], "a table for each channel is accepted")
    for channel, rule in channels.items():
        if channel not in BOOKING_CHANNELS:
            accepted = ", ".join(sorted(BOOKING_CHANNELS))
            raise InvalidRule([CHANNELS, channel], f"there is no such channel to book over; there are {accepted}")
        if not isinstance(rule, Mapping):
            raise InvalidRule([CHANNELS, channel], "a table is accepted")
        for name, value in rule.items():
            _refuse_invalid_channel_rule([CHANNELS, channel, name], value)


def _refuse_invalid_channel_rule(path: Sequence[str], value: object) -> None:
    match path[-1]:
        case "share_percent":
            _refuse_unless_whole(path, value, 1, 100)
        case "services":
            if value != _ALL_SERVICES and not (value and isinstance(value, list | tuple) and all(_texts(value))):
                raise InvalidRule(path, '"all", or a list of ids such as ["SV-CA-02"], is accepted')
        case "opens_at":
            if not _is_instant(value):
                raise InvalidRule(path, "an instant such as 2011-03-05T08:00:00+03:00 is accepted")
        case _:
            raise InvalidRule(path, f"there is no such rule of a channel; there are {', '.join(_CHANNEL_RULES)}")


def _texts(values: Sequence[object]) -> Iterator[bool]:
    return (isinstance(value, str) and bool(value) for value in values)


def _is_instant(value: object) -> bool:
    try:
        return isinstance(value, datetime) or (isinstance(value, str) and _instant(value) is not None)
    except ValueError:
        return False


def _refuse_unless_whole(path: Sequence[str], value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidRule(path, f"a whole number from {least} to {most} is accepted")

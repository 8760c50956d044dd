"""A policy is adopted: a fact that later decisions are made under. Decisions already made stay as they are."""

from domain.commands import AdoptPolicy
from domain.decision import Decision
from domain.errors import InvalidRequest
from domain.events import PolicyAdopted
from domain.policies import POLICY_STREAM
from domain.policy_numbers import InvalidRule, policy_of, refuse_invalid, rules_of
from domain.state import Needs, State


def needs_of_adoption(_command: AdoptPolicy, _state: State) -> Needs:
    return Needs(streams={POLICY_STREAM})


def adopt(command: AdoptPolicy, state: State, decision: Decision) -> None:
    """Nothing, where these very rules hold on that day already: a file read at each start is adopted once."""
    try:
        refuse_invalid(command.rules)
    except InvalidRule as invalid:
        raise InvalidRequest(f"rules.{'.'.join(invalid.path)}", invalid.problem) from invalid
    policies, rules = state.policies, rules_of(policy_of(command.rules))
    holding = policies.on(command.since)
    version, is_new = holding.version, rules_of(holding) != rules
    if is_new:
        version = policies.version + 2
        adopted = PolicyAdopted(
            by=command.caller.by,
            policy=decision.policy.version,
            version=version,
            since=command.since,
            rules=rules,
        )
        decision.record(policies, adopted)
    decision.said = {"version": version, "from": command.since.isoformat(), "is_new": is_new}

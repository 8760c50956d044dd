"""The booking policy, version by version: its numbers, since when each holds, where the log has it."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.requests import Request
from starlette.responses import Response

from api import answers, views
from api.revalidation import revalidated
from api.routes import GuardedRoute, TheServices, TheTime, at_least
from domain.calendar import hijri
from domain.policy import BUILT_IN
from domain.policy_numbers import NUMBERS, rules_of
from projections import feed, policies
from projections.policies import Version
from projections.projection import snapshot

router = APIRouter(route_class=GuardedRoute, tags=["catalogue"])


class ChannelListed(BaseModel):
    services: list[str] | str  # ids, or "all"
    opens_at: str | None = None
    share_percent: int


_NUMBERS: dict[str, Any] = {number.name: (int, ...) for number in NUMBERS}
Rules = create_model("Rules", **_NUMBERS, channels=(dict[str, ChannelListed], ...))


_FIRST: Any = {"version": 1, "from": None, "hijri": None, "adopted": None, "rules": rules_of(BUILT_IN)}


class Adopted(BaseModel):
    position: int
    at: str


class PolicyListed(BaseModel):
    version: int
    since: str | None = Field(alias="from")
    hijri: str | None
    adopted: Adopted | None
    rules: Rules


class PoliciesListed(BaseModel):
    policies: list[PolicyListed]
    in_force: int
    as_of: answers.AsOf

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"policies": [_FIRST], "in_force": 1, "as_of": {"position": 4711, "at": "2011-02-01T10:00:00+03:00"}}
            ]
        }
    )


@router.get(
    "/v1/policies",
    summary="The booking policy, version by version",
    description="In the order of adoption. A version holds for what is decided from 00:00 of `from`, office time, on "
    "(null: from the beginning); of several, the one adopted last: `in_force` is the version that holds now. Each fact "
    "names the version it was decided under. Numbers are in the unit that ends their name. `channels` has those that "
    "do not book everything: their `services`, the first instant they book at, and their part of each start's places, "
    "rounded down and at least one.",
    response_model=PoliciesListed,
    dependencies=[at_least()],
)
def policies_listed(request: Request, services: TheServices, now: TheTime) -> Response:
    with services.pool.connection() as connection, snapshot(connection):
        as_of = feed.end(connection)
        versions, adopted = policies.versions(connection, upto=as_of.position)
    listed = [_listed(each) for each in versions]
    return revalidated(request, {"policies": listed, "in_force": adopted.at(now).version, "as_of": views.shown(as_of)})


def _listed(version: Version) -> dict[str, Any]:
    policy, position, at = version
    since = policy.since
    return {
        "version": policy.version,
        "from": since.isoformat() if since is not None else None,
        "hijri": hijri(since) if since is not None else None,
        "adopted": {"position": position, "at": views.office_time(at)} if at is not None else None,
        "rules": rules_of(policy),
    }

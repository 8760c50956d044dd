"""Who is calling: the bearer token, the policy table's roles, and the caller's rate."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from api import exchange
from api.admission import Buckets, too_many_requests
from api.policy_table import Row
from api.problems import Problem, forbidden, invalid
from api.services import Services, Unauthenticated
from domain.commands import Caller

_SINGLE = (b"authorization", b"idempotency-key", b"mawid-now", b"mawid-at-least", b"content-type", b"content-length")


def headers_of(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """By lower-case name. A header that decides something may not come twice: who would say which one counts?"""
    pairs = scope["headers"]
    headers = dict(pairs)
    if len(headers) != len(pairs):
        names = [name for name, _ in pairs]
        for name in _SINGLE:
            if names.count(name) > 1:
                field = name.decode().title()
                raise invalid(field, "came twice", status=400)
    return headers


class Callers:
    def __init__(self, services: Services) -> None:
        self._authenticate = services.authenticate
        limits = services.limits
        self._citizens = Buckets(limits.citizen_requests_per_s, depth_s=limits.bucket_depth_s)
        self._others = Buckets(limits.staff_requests_per_s, depth_s=limits.bucket_depth_s)

    def admit(self, row: Row, headers: Mapping[bytes, bytes], scope: MutableMapping[str, Any]) -> Caller | None:
        """The caller, if the row lets their role in; None where it asks for nobody."""
        if row.roles is None:
            return None
        caller = self._identify(headers)
        exchange.of(scope).role = caller.role
        if caller.role not in row.roles:
            raise forbidden(f"this is not for the role {caller.role}")
        buckets = self._citizens if caller.role == "citizen" else self._others
        wait_s = buckets.wait_s(caller.subject)
        if wait_s:
            raise too_many_requests("this caller", wait_s)
        return caller

    def _identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise _unauthenticated(b"Bearer")
        try:
            return self._authenticate(token.strip().decode("latin-1"))
        except Unauthenticated:
            raise _unauthenticated(b'Bearer error="invalid_token"') from None


def _unauthenticated(challenge: bytes) -> Problem:
    detail = "send `Authorization: Bearer <token>` with a token that is valid now"
    return Problem("unauthenticated", detail, headers=[(b"www-authenticate", challenge)])

"""The API as a client sees it: the whole app on a real database, in request clock unless told otherwise."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from api.app import EVERY_COMMAND
from domain import commands
from domain.calendar import RIYADH
from domain.identifiers import make_number, parse_number
from infra import tokens
from infra.bootstrap import OPERATOR, open_instance, views_of
from infra.checkpoints import Signed, Signer
from infra.settings import Settings
from infra.signing import signing_files
from infra.web import open_web
from projections.follow import Follower

#: A Saturday morning, and the first start of the Monday after it. Thursday and Friday are the weekend of 2011.
ADVANCE = datetime(2011, 1, 1, 9, tzinfo=RIYADH)
MONDAY = datetime(2011, 1, 3, 8, tzinfo=RIYADH)
DAYS = ("2011-01-03", "2011-01-04")

#: id → what differs from a service of 15 minutes for everybody
SERVICES: dict[str, dict[str, Any]] = {
    "SV-CA-01": {},
    "SV-CA-02": {},
    "SV-CA-03": {},
    "SV-CA-04": {},
    "SV-CA-30": {"minutes": 30},
    "SV-CA-45": {"minutes": 45},
    "SV-CA-10": {"audience": "citizen"},
    "SV-CA-20": {"audience": "resident"},
    "SV-CA-40": {"border_number": True},
    "SV-CA-90": {"needs_visit": False},
    "SV-TR-01": {"sector": "traffic"},
}

#: What stands for each name in a path.
NAMED = {"office": "CA-TB-01", "name": "slot-full", "measurement": "0" * 12, "request": "0" * 20}
NAMED |= dict.fromkeys(["reference", "hold", "entry"], "0" * 20)
NAMED["stream"] = "policy"
#: Every command that is asked for with POST.
POSTED = [spec for spec in EVERY_COMMAND if spec.method == "POST"]

_seeds, _offices, _keys = count(1), count(1), count(1)


class Api:
    def __init__(self, settings: Settings, parts: ExitStack) -> None:
        self.settings = settings
        self.instance = parts.enter_context(open_instance(settings, settings.storage.database_url))
        views = views_of(self.instance.references.hash_of)
        self.follower = parts.enter_context(Follower(settings.storage.database_url, views))
        self.app = parts.enter_context(open_web(self.instance))
        self._runner = parts.enter_context(asyncio.Runner())
        self.operator = self.token("operator")
        for service, differences in SERVICES.items():
            self._given_a_service(service, **differences)

    def sign(self) -> Signed:
        """What `serve` does each second."""
        with psycopg.connect(self.settings.storage.database_url, autocommit=True) as connection:
            signed = Signer(signing_files(self.settings)).sign(connection, datetime.now(UTC))
        assert signed is not None
        return signed

    # -- asking ------------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, *, by: str | None = None, app: Any = None, **asked: Any) -> httpx.Response:
        return self.run(self.calling(method, path, by=by, app=app, **asked))

    async def calling(
        self,
        method: str,
        path: str,
        *,
        by: str | None = None,
        app: Any = None,
        headers: Mapping[str, Any] | Sequence[tuple[str, Any]] = (),
        **asked: Any,
    ) -> httpx.Response:
        told = [("Authorization", f"Bearer {by}")] if by else []
        told += headers.items() if isinstance(headers, Mapping) else headers
        transport = httpx.ASGITransport(app or self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://mawid") as client:
            return await client.request(method, path, headers=told, **asked)

    def get(self, path: str, by: str | None = None, **asked: Any) -> httpx.Response:
        return self.call("GET", path, by=by, **asked)

    def delete(self, path: str, **asked: Any) -> httpx.Response:
        return self.post(path, method="DELETE", **asked)

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        by: str | None = None,
        key: str | None = None,
        at: datetime | None = ADVANCE,
        app: Any = None,
        headers: dict[str, str] | None = None,
        **asked: Any,
    ) -> httpx.Response:
        """As the operator, under a new key, at ADVANCE, unless told otherwise. In system clock: `at=None`."""
        told = {"Idempotency-Key": key or new_key()}
        if at is not None:
            told["Mawid-Now"] = at.isoformat()
        if body is not None:
            asked["json"] = body
        return self.call(method, path, by=by or self.operator, app=app, headers=told | (headers or {}), **asked)

    def bulk(self, *lines: Any, **asked: Any) -> httpx.Response:
        headers = {"Content-Type": "application/x-ndjson"} | asked.pop("headers", {})
        return self.post("/v1/commands", content=ndjson(*lines), headers=headers, **asked)

    def lines(self, *lines: Any, **asked: Any) -> list[dict[str, Any]]:
        """The answers to lines, as many as there are."""
        response = self._done(self.bulk(*lines, **asked))
        return [json.loads(answer) for answer in response.content.splitlines()]

    def line(self, line: Any, **asked: Any) -> dict[str, Any]:
        (answer,) = self.lines(line, **asked)
        return answer

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    # -- who asks ----------------------------------------------------------------------------------------------------

    def token(
        self,
        role: str,
        *,
        office: str | None = None,
        region: str | None = None,
        number: str | None = None,
        name: str | None = None,
    ) -> str:
        lookup = self.instance.vault.lookup(parse_number(number).digits) if number else None
        return tokens.issue(
            self.instance.keys,
            tokens.Role(role),
            office=office,
            region=region,
            number_lookup=lookup,
            operator_name=name,
            lifetime_s=3600,
            now=time.time(),
        )

    def citizen(self, number: str) -> str:
        return self.token("citizen", number=number)

    # -- what there is -----------------------------------------------------------------------------------------------

    def given_an_office(
        self,
        *,
        counters: int = 1,
        section: str = "mixed",
        live_from: str | None = "2010-11-27",
        region: str = "TB",
        days: tuple[str, str] | None = DAYS,
    ) -> str:
        """Its id. Published for Monday and Tuesday."""
        office = f"CA-{region}-{next(_offices):02}"
        names = {"name_ar": "مكتب تبوك", "name_en": "Tabuk office", "city_ar": "تبوك", "city_en": "Tabuk"}
        told = names | {"office": office, "region": region, "section": section, "counters": counters}
        self._done(self.post("/v1/offices", told))
        if live_from:
            self._done(self.post(f"/v1/offices/{office}/live", {"from": live_from}))
        if days:
            self._done(self.post(f"/v1/offices/{office}/publications", {"from": days[0], "to": days[1]}))
        return office

    def given_a_booking(self, office: str, **asked: Any) -> dict[str, Any]:
        return self._done(self.book(office, **asked)).json()

    def book(
        self,
        office: str,
        *,
        start: datetime = MONDAY,
        service: str = "SV-CA-02",
        number: str | None = None,
        channel: str = "portal",
        told: dict[str, Any] | None = None,
        **asked: Any,
    ) -> httpx.Response:
        body = booking(office, start=start, service=service, number=number, channel=channel, told=told)
        return self.post("/v1/bookings", body, **asked)

    def head(self) -> int:
        return self.instance.recorder.max_notification_id() or 0

    def _given_a_service(self, service: str, **differences: Any) -> None:
        usual: dict[str, Any] = {
            "sector": "civil_affairs",
            "name_ar": "تجديد الهوية",
            "name_en": "Renew national ID",
            "audience": "both",
            "minutes": 15,
            "electronic": True,
            "needs_visit": True,
            "border_number": False,
            "documents": "",
        }
        stamp = self.instance.stamp(OPERATOR, f"service/{service}", ADVANCE)
        command = commands.RegisterService(**stamp, service=service, **usual | differences)
        self.instance.desk.submit(command).result(20)

    @staticmethod
    def _done(response: httpx.Response) -> httpx.Response:
        assert response.status_code in (200, 201), response.text
        return response


def booking(
    office: str,
    *,
    start: datetime = MONDAY,
    service: str = "SV-CA-02",
    number: str | None = None,
    channel: str = "portal",
    told: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The body that asks for one."""
    beneficiary = {"number": number or new_number()} | (told or {})
    return {
        "office": office,
        "service": service,
        "starts_at": start.isoformat(),
        "beneficiary": beneficiary,
        "channel": channel,
    }


def new_number(kind: Any = "citizen") -> str:
    return make_number(kind, next(_seeds))


def new_key() -> str:
    return f"{uuid4().hex}-{next(_keys)}"


def start_after(n: int) -> datetime:
    """The n-th start of Monday, of 24; then those of no day, and from 96 on Tuesday's."""
    return MONDAY + timedelta(minutes=15 * n)


def ndjson(*lines: dict[str, Any] | bytes) -> bytes:
    encoded = (line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return b"".join(line + b"\n" for line in encoded)

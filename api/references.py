"""A booking's id and its secret reference: which booking a path names, and what a customer is shown."""

from typing import Any, Final

from psycopg import Connection
from starlette.concurrency import run_in_threadpool

from api import views
from api.services import Services
from domain.identifiers import InvalidReference, is_booking_id, parse_reference
from projections import bookings, log

VIEW: Final = "bookings"
_ANSWERED_MAX: Final = 50_000
_TEXT_CHARACTERS_MAX: Final = 64


class References:
    """Remembers the references this process has answered with: the customer's next call needs no query."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answered: dict[str, str] = {}

    def show(self, booking: str) -> str:
        """7M4K-92QX-R3TB-H: for those who may see it."""
        shown = self._services.reference_of(booking)
        self._answered[shown.replace("-", "")] = booking
        if len(self._answered) > _ANSWERED_MAX:
            del self._answered[next(iter(self._answered))]
        return shown

    async def told(self, booking: str) -> str:
        """The same, on the event loop."""
        if self._services.reference_at_hand(booking):
            return self.show(booking)
        return await run_in_threadpool(self.show, booking)

    async def booking_named(self, text: str) -> str:
        """The id of the booking that an id, or a reference in any spelling, names.

        What names no booking gets the id of one that does not exist, so that it is answered as one that is not theirs.
        """
        if is_booking_id(text):
            return text
        canonical = canonical_form(text)
        if canonical is None:
            return self._nobody(text)
        answered = self._answered.get(canonical)
        return answered or await self._look_up(canonical) or self._nobody(canonical)

    async def _look_up(self, canonical: str) -> str | None:
        """A booking just made elsewhere may be in the log and not in the view yet."""
        services = self._services
        reference_hash = services.reference_hash(canonical)

        def find(connection: Connection[Any]) -> tuple[bookings.BookingRow | None, int]:
            return bookings.by_reference(connection, reference_hash), log.head(connection)

        row, head = await views.reading(services, find)
        if row is None and await views.seen(services, [VIEW], head, services.limits.at_least_wait_s_max):
            row, _ = await views.reading(services, find)
        return row.booking if row is not None else None

    def _nobody(self, text: str) -> str:
        return self._services.booking_id(self._services.fingerprint(text.encode("utf-8", "replace")), 0)


def canonical_form(text: str) -> str | None:
    """The canonical form of a reference; None: it is none."""
    if len(text) > _TEXT_CHARACTERS_MAX:
        return None
    try:
        return parse_reference(text)
    except InvalidReference:
        return None

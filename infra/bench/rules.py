"""What the log of a trial must show, whoever wrote it and however fast."""

from collections import Counter
from typing import Final

import psycopg

from domain.events import BookingCancelled, BookingMovedIn, BookingMovedOut, SlotBooked

#: Command → the events it becomes when it is accepted.
_EVENTS_OF: Final = {
    "book": (SlotBooked.TOPIC,),
    "cancel": (BookingCancelled.TOPIC,),
    "reschedule": (BookingMovedOut.TOPIC, BookingMovedIn.TOPIC),
}
_TOOK: Final = f"type IN ('{SlotBooked.TOPIC}', '{BookingMovedIn.TOPIC}')"
_GAVE: Final = f"type IN ('{BookingCancelled.TOPIC}', '{BookingMovedOut.TOPIC}')"


def refuse_breach(dsn: str, *, capacity: int, accepted: Counter[str]) -> None:
    """RuntimeError naming the first rule that the log breaks. `accepted`: by name of the command, as callers counted.

    All bookings are of one service.
    """
    held = f"sum(CASE WHEN {_TOOK} THEN 1 WHEN {_GAVE} THEN -1 ELSE 0 END) OVER (PARTITION BY {{}} ORDER BY position)"
    breaches = {
        "a gap in the positions": "SELECT FROM log HAVING count(*) <> COALESCE(max(position), 0)",
        "a head that is not its last position": "SELECT FROM log_head WHERE position <> (SELECT count(*) FROM log)",
        "a gap in a stream": "SELECT FROM log GROUP BY stream HAVING count(*) <> max(stream_version)",
        "a slot over its capacity": f"SELECT FROM (SELECT {held.format('stream')} AS held FROM log"
        f" WHERE booking IS NOT NULL) AS slots WHERE held > {capacity}",
        "a person with two active bookings of one service": f"SELECT FROM (SELECT {held.format('person')} AS held"
        " FROM log WHERE person IS NOT NULL) AS persons WHERE held > 1",
    }
    expected = Counter({topic: accepted[command] for command, topics in _EVENTS_OF.items() for topic in topics})
    with psycopg.connect(dsn) as connection:
        for breach, query in breaches.items():
            if connection.execute(query).rowcount:
                raise RuntimeError(f"the log shows {breach}")
        query = "SELECT type, count(*) FROM log WHERE type = ANY(%s) GROUP BY type"
        written: Counter[str] = Counter(dict(connection.execute(query, [list(expected)]).fetchall()))
    if written != expected:
        raise RuntimeError(f"the log shows {dict(written)} where {dict(accepted)} were accepted")

"""On whose behalf the story's commands are."""

from domain.commands import Beneficiary, Caller

#: Of the idempotency keys; the callers of a story differ in their role and place, not in their name.
SUBJECT = "simulation"
PUBLISHER = Caller(role="operator", subject=SUBJECT)
CLOCK = Caller(role="system", subject=SUBJECT)


class Callers:
    """One for each desk and kiosk."""

    def __init__(self) -> None:
        self._on_site: dict[tuple[str, str], Caller] = {}

    def over(self, channel: str, office: str, beneficiary: Beneficiary) -> Caller:
        """Whoever books over a channel."""
        if channel in ("portal", "sms"):
            return Caller(role="citizen", subject=SUBJECT, lookup=beneficiary.lookup)
        return self.at(office, "staff" if channel == "counter" else "kiosk")

    def at(self, office: str, role: str) -> Caller:
        caller = self._on_site.get((role, office))
        if caller is None:
            caller = self._on_site[role, office] = Caller(role=role, subject=SUBJECT, office=office)
        return caller

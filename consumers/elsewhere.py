"""By any other way that Apprise knows: its addresses name the service, the account and the recipient."""

from urllib.parse import quote

from apprise import Apprise, NotifyFormat

from consumers.sending import Envelope, HandedOver, Unavailable


class UnknownAddressError(ValueError):
    """Apprise knows no such service, or the address lacks a part; one sentence, without the address."""


class Elsewhere:
    def __init__(self, name: str, address: str) -> None:
        """`address`: with {mobile} in it, it is a person's own; without, it gets what anybody may read."""
        self.name, self._address = name, address
        self._is_personal = "{mobile}" in address
        if not Apprise().add(self._addressed("+966500000000")):
            scheme = address.partition("://")[0]
            raise UnknownAddressError(f"the {scheme}:// address is not one that Apprise can send to")

    def send(self, envelope: Envelope) -> HandedOver:
        message = envelope.message
        service = Apprise()
        service.add(self._addressed(envelope.mobile))
        body = message.personal_text if self._is_personal else message.text
        if not service.notify(title=message.subject, body=body, body_format=NotifyFormat.TEXT):
            raise Unavailable("apprise")
        return HandedOver()

    def close(self) -> None:
        """Nothing is kept open."""

    def _addressed(self, mobile: str) -> str:
        return self._address.replace("{mobile}", quote(mobile, safe=""))

"""The ways by which messages leave, as the settings have them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from consumers.elsewhere import Elsewhere, UnknownAddressError
from consumers.mail import Mail, MailServer
from consumers.sending import Channel
from consumers.sms import Sms, SmsReceipt, SmsServer
from infra.settings import Messages, SettingsError


def open_channels(limits: Messages, urls: Sequence[str], on_receipt: Callable[[SmsReceipt], None]) -> list[Channel]:
    """SettingsError: one of them cannot be."""
    channels: list[Channel] = []
    if limits.smpp_server:
        host, _, port = limits.smpp_server.rpartition(":")
        server = SmsServer(
            host=host,
            port=int(port),
            user=limits.smpp_user,
            password=_secret("MAWID_SMPP_PASSWORD_FILE", limits.smpp_password_file),
            sender=limits.sms_from,
            receipt_ids=limits.smpp_receipt_ids,
            wait_s_max=limits.smpp_wait_s_max,
            enquire_every_s=limits.smpp_enquire_every_s,
            valid_h=limits.sms_valid_h,
        )
        channels.append(Sms(server, on_receipt))
    if limits.smtp_server and limits.email_to:
        host, _, port = limits.smtp_server.rpartition(":")
        mail = MailServer(
            host=host,
            port=int(port),
            security=limits.smtp_security,
            user=limits.smtp_user,
            password=_secret("MAWID_SMTP_PASSWORD_FILE", limits.smtp_password_file),
            sender=limits.email_from,
            address=limits.email_to,
            wait_s_max=limits.smtp_wait_s_max,
        )
        channels.append(Mail(mail))
    for n, url in enumerate(urls, 1):
        try:
            channels.append(Elsewhere(f"notify-{n}", url))
        except UnknownAddressError as error:
            raise SettingsError("MAWID_NOTIFY_URLS", str(error)) from error
    return channels


def channel_names(limits: Messages, urls: Sequence[str]) -> list[str]:
    """The ways a message goes, as `queue_message` wants them."""
    ways = {"sms": bool(limits.smpp_server), "email": bool(limits.smtp_server and limits.email_to)}
    return [name for name, is_open in ways.items() if is_open] + [f"notify-{n}" for n, _ in enumerate(urls, 1)]


def _secret(variable: str, file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(variable, f"{file} cannot be read ({type(error).__name__})") from error

"""What every client of the brokers is told, and what their errors are called for people."""

from typing import Any

from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from infra.kafka.unavailable import KafkaUnavailable
from infra.settings import Kafka


def client_settings(settings: Kafka) -> dict[str, Any]:
    """KafkaUnavailable where the password cannot be read."""
    told: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "bootstrap_timeout_ms": settings.kafka_answer_s_max * 1000,
        "reconnect_backoff_max_ms": 1_000,
        "client_id": "mawid",
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_ca_file is not None:
        told["ssl_cafile"] = str(settings.kafka_ca_file)
    if _has_user(settings):
        told["sasl_mechanism"] = settings.kafka_sasl_mechanism
        told["sasl_plain_username"] = settings.kafka_user
        told["sasl_plain_password"] = _password(settings)
    return told


def sentence_about(error: KafkaError, settings: Kafka) -> str:
    brokers = settings.kafka_bootstrap
    # A broker may just hang up on a wrong password, and the client then tries until its time is over.
    if isinstance(error, SaslAuthenticationFailedError | KafkaTimeoutError) and _has_user(settings):
        return (
            f"the Kafka at {brokers} does not know the user or password, or does not answer: check MAWID_KAFKA_USER,"
            " MAWID_KAFKA_PASSWORD_FILE and MAWID_KAFKA_BOOTSTRAP"
        )
    if isinstance(error, AuthorizationError):
        return f"the Kafka at {brokers} does not allow this user what a relay does ({type(error).__name__})"
    return f"the Kafka at {brokers} (MAWID_KAFKA_BOOTSTRAP) does not answer as it should ({type(error).__name__})"


def _has_user(settings: Kafka) -> bool:
    return settings.kafka_security.startswith("SASL")


def _password(settings: Kafka) -> str:
    if settings.kafka_password_file is None:
        return ""
    try:
        return settings.kafka_password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KafkaUnavailable(
            f"MAWID_KAFKA_PASSWORD_FILE: {settings.kafka_password_file} cannot be read ({type(error).__name__})"
        ) from error

"""What a command says when it cannot do its work: one sentence with a way out, not a traceback."""

import sys
from typing import Final


class Failure(Exception):
    """The sentence itself."""


#: Errors whose text is such a sentence, by module and name: so that no command imports another's parts to fail.
_SENTENCES: Final = (
    ("infra.settings", "SettingsError"),
    ("infra.postgres.unavailable", "DatabaseUnavailable"),
    ("domain.ports", "TopicUnavailable"),
    ("infra.kafka.unavailable", "KafkaUnavailable"),
    ("infra.consuming", "NoWayToSend"),
    ("consumers.loop", "InboxAway"),
    ("infra.keys", "KeyFileError"),
    ("infra.backup", "BackupError"),
    ("infra.key_rotation", "KeyRotationError"),
    ("infra.keys_backup", "KeysBackupError"),
    ("infra.erasure_ledger", "ErasureLedgerError"),
    ("infra.vault_rotation", "RotationError"),
    ("infra.signing_files", "SigningFileError"),
    ("infra.kept_file", "FileLocked"),
    ("infra.checkpoints", "InconsistentLog"),
    ("infra.migrate", "MigrationRefused"),
    ("infra.policy_file", "PolicyFileError"),
    ("infra.processes", "PortInUse"),
    ("infra.clinic_file", "ClinicFileError"),
    ("infra.following", "FollowingStopped"),
    ("infra.daylist", "UnknownOffice"),
    ("infra.export", "ExportFailed"),
    ("infra.signing_files", "SigningFileError"),
)


def sentence_of(error: Exception) -> str | None:
    """None: a fault of ours, to be seen whole."""
    if isinstance(error, Failure):
        return str(error)
    for module, name in _SENTENCES:
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return str(error)
    return None

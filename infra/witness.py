"""A witness: keeps the last checkpoint of a log it has seen, and cosigns each new one that provably continues it.

It needs the log's address and public key and nothing else, and is best kept by somebody else, on another machine: with
its file at hand nobody can rewrite what the log said before, not even whoever holds database and signing key.
"""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.kept_file import locked, write_whole
from infra.keys import read_or_make_key
from infra.proofs import continues
from infra.signed_note import COSIGNATURE, Checkpoint, Note, NoteError, VerifierKey, cosignature, verifier_key

TIMEOUT_S: Final = 10
ANSWER_BYTES_MAX: Final = 256 * 1024
LOCK_WAIT_S: Final = 10
_FILE_BYTES_MAX: Final = 64 * 1024


class LogForked(Exception):
    """The log is not the one that was seen before, only longer: one sentence with both sizes."""

    def __init__(self, seen: int, shown: int, reason: str) -> None:
        self.seen, self.shown = seen, shown
        super().__init__(reason)


class WitnessUnable(Exception):
    """Nothing can be said about the log now: one sentence."""


class _NoRedirect(HTTPRedirectHandler):
    """Another address would get the token, and is not the one that was given."""

    def redirect_request(self, *_of: object, **_named: object) -> None:
        return None


@dataclass(frozen=True)
class Witness:
    url: str
    keys: Sequence[VerifierKey]  # of the log; more than one while it changes its key
    state: Path  # the last checkpoint, as a note with its cosignature; the witness's key lies beside it
    token: str | None = None

    def verifier(self) -> VerifierKey:
        return verifier_key(*self._own(), COSIGNATURE)

    def look(self) -> tuple[Note, int | None]:
        """The checkpoint the log shows, cosigned and kept; and the size seen before, None: it is the first.

        Raises LogForked (what was kept stays), WitnessUnable, KeyFileError, FileLocked.
        """
        try:
            with locked(self.state.with_name(f"{self.state.name}.lock"), LOCK_WAIT_S):
                return self._look()
        except OSError as error:
            raise WitnessUnable(f"{self.state} cannot be read or written: {error.strerror}") from error

    def _look(self) -> tuple[Note, int | None]:
        kept = self._kept()
        note = self._signed(self._answer("/v1/audit/checkpoint", "text/plain"), f"what {self.url} shows")
        shown = Checkpoint.of(note)
        if kept is not None:
            self._refuse_other(kept, shown)
        name, key = self._own()
        cosigned = note.with_signatures([cosignature(note.text, name, key, int(time()))])
        write_whole(self.state, str(cosigned).encode())
        return cosigned, kept.size if kept is not None else None

    def _refuse_other(self, kept: Checkpoint, shown: Checkpoint) -> None:
        if shown.origin != kept.origin:
            raise WitnessUnable(f"{self.url} shows the log {shown.origin}, and {self.state} is of {kept.origin}")
        if shown.size < kept.size:
            reason = f"the log has {shown.size} events, and had {kept.size} when it was last seen: some were taken away"
            raise LogForked(kept.size, shown.size, reason)
        proof = [] if shown.size == kept.size else self._proof(kept.size, shown.size)
        if not continues(kept.size, kept.root, shown.size, shown.root, proof):
            reason = f"the log of {shown.size} events does not continue the {kept.size} that were last seen: it forked"
            raise LogForked(kept.size, shown.size, reason)

    def _proof(self, old: int, size: int) -> list[bytes]:
        answer = self._answer(f"/v1/audit/consistency?from={old}&to={size}", "application/json")
        try:
            return [b64decode(each, validate=True) for each in json.loads(answer)["proof"]]
        except (ValueError, KeyError, TypeError) as error:
            raise WitnessUnable(f"{self.url} gives no proof that {size} events continue {old}") from error

    def _kept(self) -> Checkpoint | None:
        if not self.state.exists():
            return None
        with self.state.open("rb") as file:
            return Checkpoint.of(self._signed(file.read(_FILE_BYTES_MAX), f"what is kept in {self.state}"))

    def _signed(self, content: bytes, what: str) -> Note:
        try:
            note = Note.parse(content)
            note.signed_by(*self.keys)
            Checkpoint.of(note)
        except NoteError as error:
            raise WitnessUnable(f"{what} is no checkpoint of the log with this key: {error}") from error
        return note

    def _own(self) -> tuple[str, Ed25519PrivateKey]:
        path = self.state.with_name(f"{self.state.name}.key")
        key = Ed25519PrivateKey.from_private_bytes(read_or_make_key("witness", path))
        return f"mawid-witness/{key.public_key().public_bytes_raw().hex()[:8]}", key

    def _answer(self, path: str, accept: str) -> bytes:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        request = Request(self.url.rstrip("/") + path, headers=headers)  # noqa: S310 - the command takes http(s) only
        try:
            with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
                body: bytes = answer.read(ANSWER_BYTES_MAX + 1)
        except HTTPError as error:
            raise WitnessUnable(f"{self.url} answers {error.code} when asked for {path}") from error
        except (URLError, OSError, ValueError) as error:
            raise WitnessUnable(f"{self.url} does not answer: {getattr(error, 'reason', error)}") from error
        if len(body) > ANSWER_BYTES_MAX:
            raise WitnessUnable(f"{self.url} answers more than {ANSWER_BYTES_MAX} bytes")
        return body

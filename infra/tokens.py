"""Bearer tokens of the instance's own issuer: JWTs of type `at+jwt`, signed with Ed25519 and nothing else."""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey
from joserfc.util import json_b64encode

from infra.keys import KeyFileError, Keys, key_id, read_key

# RFC 9864's name. The older `EdDSA` leaves the curve to the key, so it is refused like every other algorithm.
ALGORITHM: Final = "Ed25519"
ISSUER: Final = "mawid"
AUDIENCE: Final = "mawid"
TOKEN_CHARACTERS_MAX: Final = 8192
CACHE_S_MAX: Final = 60

_LOOK_EVERY_S: Final = 1

_PERSON: Final = "person:"
_PERSON_SUBJECT: Final = re.compile(r"person:[A-Za-z0-9_-]{43}")
_PLACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
# No colon and no at sign: an operator's name can be neither a person nor the principal of an office.
_OPERATOR_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Role(StrEnum):
    CITIZEN = "citizen"
    KIOSK = "kiosk"
    STAFF = "staff"
    MANAGER = "manager"
    AUDITOR = "auditor"
    DASHBOARD = "dashboard"
    OPERATOR = "operator"


_ROLES: Final = {role.value: role for role in Role}
_SCOPES: Final = {
    Role.CITIZEN: "a beneficiary number",
    Role.KIOSK: "one office",
    Role.STAFF: "one office",
    Role.MANAGER: "one office or one region",
    Role.AUDITOR: "no office, region or number",
    Role.DASHBOARD: "no office, region or number",
    Role.OPERATOR: "at most a name of its own",
}


class TokenScopeError(ValueError):
    """A token was asked for that no caller may have; the message is one sentence for the person who asked."""


class InvalidToken(Exception):
    """A presented token is refused. `reason` is one short word for the log; nothing of the token is repeated."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the bearer token is refused: {reason}")


@dataclass(frozen=True, slots=True)
class Claims:
    role: Role
    subject: str  # the stable principal, which idempotency keys belong to
    office: str | None
    region: str | None
    jti: str
    expires_at: int  # seconds since 1970

    @property
    def number_lookup(self) -> bytes | None:
        """What finds a citizen in the vault; None for every other role."""
        if self.role is not Role.CITIZEN:
            return None
        return urlsafe_b64decode(self.subject.removeprefix(_PERSON) + "=")


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    iss: str
    aud: str
    sub: str
    role: str
    office: str | None = None
    region: str | None = None
    iat: int
    nbf: int
    exp: int
    jti: str


def issue(
    keys: Keys,
    role: Role,
    *,
    office: str | None = None,
    region: str | None = None,
    number_lookup: bytes | None = None,
    operator_name: str | None = None,
    lifetime_s: int,
    now: float,
) -> str:
    """A signed token. A citizen is the lookup of a number, never the number itself."""
    if number_lookup is not None:
        subject = _PERSON + urlsafe_b64encode(number_lookup).rstrip(b"=").decode()
    elif operator_name is not None:
        subject = operator_name
    else:
        subject = "@".join(filter(None, (role, office, region)))
    number_fits = (number_lookup is not None) == (role is Role.CITIZEN)
    name_fits = operator_name is None or role is Role.OPERATOR
    if not (number_fits and name_fits and _scope_fits(role, subject, office, region)):
        raise TokenScopeError(f"A token of role {role} takes {_SCOPES[role]}, and nothing else.")
    if lifetime_s < 1:
        raise TokenScopeError("A token lives for at least one second.")
    issued_at = int(now)
    payload = _Payload(
        iss=ISSUER,
        aud=AUDIENCE,
        sub=subject,
        role=role,
        office=office,
        region=region,
        iat=issued_at,
        nbf=issued_at,
        exp=issued_at + lifetime_s,
        jti=secrets.token_urlsafe(16),
    )
    header = _header(keys.token.public_key())
    return jws.serialize_compact(header, msgspec.json.encode(payload), OKPKey.import_key(keys.token), [ALGORITHM])


class TokenKeyFile:
    """Tells when another key has come into the file. What cannot be read now leaves the key as it is."""

    def __init__(self, path: Path, present: Ed25519PublicKey) -> None:
        self._path = path
        self._present = present.public_bytes_raw()
        self._seen: tuple[int, int] | None = None

    def replaced(self) -> Ed25519PublicKey | None:
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) == self._seen:
                return None
            key = Ed25519PrivateKey.from_private_bytes(read_key("token", self._path)).public_key()
        except (OSError, KeyFileError):
            return None
        self._seen = found.st_ino, found.st_mtime_ns
        before, self._present = self._present, key.public_bytes_raw()
        return key if self._present != before else None


class TokenReader:
    """Verifies tokens, and remembers an accepted one (by SHA-256) for at most a minute and never past its expiry.

    A refusal is not remembered: strangers could push accepted tokens out with it.
    """

    def __init__(
        self,
        public_key: Ed25519PublicKey,
        *,
        clock_skew_s: float = 30,
        cache_s: float = CACHE_S_MAX,
        cached_tokens_max: int = 10_000,
        replaced: Callable[[], Ed25519PublicKey | None] = lambda: None,
    ) -> None:
        """`replaced`: asked once a second; another key, when one has come: no token of the old one is read any more."""
        if not 0 <= cache_s <= CACHE_S_MAX:
            raise ValueError(f"an accepted token is remembered for 0 to {CACHE_S_MAX} seconds")
        self._registry = jws.JWSRegistry(algorithms=[ALGORITHM])
        self._clock_skew_s = clock_skew_s
        self._cache_s = cache_s
        self._cached_tokens_max = cached_tokens_max
        self._accepted: dict[bytes, tuple[Claims, float, float]] = {}
        self._writing = Lock()
        self._replaced = replaced
        self._looked = 0.0
        self._read_with(public_key)

    def _read_with(self, public_key: Ed25519PublicKey) -> None:
        self._key = OKPKey.import_key(public_key)
        # Compared character by character with the one header this issuer writes: that refuses every other algorithm
        # and type and each of jku, x5u, jwk, crit and b64, before any JSON of a stranger is parsed.
        self._start = json_b64encode(_header(public_key)).decode() + "."

    def _look(self, now: float) -> None:
        self._looked = now
        public_key = self._replaced()
        if public_key is not None:
            with self._writing:
                self._read_with(public_key)
                self._accepted = {}

    def read(self, token: str, now: float) -> Claims:
        """Who presents the token; `now` in seconds since 1970, of the system's clock. Else InvalidToken."""
        if not 0 <= now - self._looked < _LOOK_EVERY_S:
            self._look(now)
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise InvalidToken("length")
        if not token.startswith(self._start):
            raise InvalidToken("header")
        if not token.isascii():
            raise InvalidToken("form")
        digest = sha256(token.encode()).digest()
        known = self._accepted.get(digest)
        if known is not None:
            claims, since, until = known
            if since <= now < until:
                return claims
        claims = self._verify(token, now)
        self._remember(digest, claims, now)
        return claims

    def _verify(self, token: str, now: float) -> Claims:
        try:
            signed = jws.deserialize_compact(token, self._key, registry=self._registry)
            payload = msgspec.json.decode(signed.payload or b"", type=_Payload)
        except BadSignatureError as error:
            raise InvalidToken("signature") from error
        except JoseError as error:
            raise InvalidToken("form") from error
        except msgspec.MsgspecError as error:
            raise InvalidToken("claims") from error
        if payload.iss != ISSUER:
            raise InvalidToken("issuer")
        if payload.aud != AUDIENCE:
            raise InvalidToken("audience")
        if payload.exp <= now - self._clock_skew_s:
            raise InvalidToken("expired")
        if max(payload.nbf, payload.iat) > now + self._clock_skew_s:
            raise InvalidToken("early")
        role = _ROLES.get(payload.role)
        if role is None:
            raise InvalidToken("role")
        if not _scope_fits(role, payload.sub, payload.office, payload.region):
            raise InvalidToken("scope")
        return Claims(role, payload.sub, payload.office, payload.region, payload.jti, payload.exp)

    def _remember(self, digest: bytes, claims: Claims, now: float) -> None:
        until = min(now + self._cache_s, claims.expires_at)
        if until <= now or self._cached_tokens_max < 1:
            return
        with self._writing:
            self._accepted.pop(digest, None)  # so that the dict stays in the order of acceptance
            while len(self._accepted) >= self._cached_tokens_max:
                del self._accepted[next(iter(self._accepted))]
            self._accepted[digest] = (claims, now, until)


def _header(public_key: Ed25519PublicKey) -> dict[str, str]:
    return {"alg": ALGORITHM, "kid": key_id("token", public_key.public_bytes_raw()), "typ": "at+jwt"}


def _scope_fits(role: Role, subject: str, office: str | None, region: str | None) -> bool:
    """Whether the role has its place and no other, and the subject is the principal of exactly that."""
    places = [place for place in (office, region) if place is not None]
    if not all(_PLACE.fullmatch(place) for place in places):
        return False
    match role:
        case Role.CITIZEN:
            return not places and _PERSON_SUBJECT.fullmatch(subject) is not None
        case Role.KIOSK | Role.STAFF:
            return region is None and office is not None and subject == f"{role}@{office}"
        case Role.MANAGER:
            return len(places) == 1 and subject == f"{role}@{places[0]}"
        case Role.AUDITOR | Role.DASHBOARD:
            return not places and subject == role
        case Role.OPERATOR:
            other_role = subject != role and subject in _ROLES
            return not places and not other_role and _OPERATOR_NAME.fullmatch(subject) is not None

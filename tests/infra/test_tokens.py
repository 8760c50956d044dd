import hmac
import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from infra.keys import KeyFiles, Keys
from infra.tokens import Claims, InvalidToken, Role, TokenReader, TokenScopeError, issue

NOW = 1_296_889_200.5
HOUR = 3600
LOOKUP = bytes(range(32))


def segment(value: bytes | dict[str, Any] | list[Any] | str) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def opened(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def signed(key: Ed25519PrivateKey, start: str) -> str:
    return f"{start}.{segment(key.sign(start.encode()))}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("instance") / "keys"
    names = ("signing", "token", "vault", "reference", "command")
    return Keys.open(KeyFiles(**{name: folder / name for name in names}))


@pytest.fixture
def reader(keys: Keys) -> TokenReader:
    return TokenReader(keys.token.public_key(), clock_skew_s=30)


@pytest.fixture(scope="module")
def token(keys: Keys) -> str:
    return issue(keys, Role.STAFF, office="CA-TB-01", lifetime_s=HOUR, now=NOW)


@pytest.fixture(scope="module")
def forged(keys: Keys, token: str) -> Callable[..., str]:
    """A token signed by the true key, with some claims changed; None takes one away."""

    def forge(**changes: Any) -> str:
        header, payload, _ = token.split(".")
        claims = {name: value for name, value in {**opened(payload), **changes}.items() if value is not None}
        return signed(keys.token, f"{header}.{segment(claims)}")

    return forge


def refusal(reader: TokenReader, token: str, now: float = NOW) -> str:
    with pytest.raises(InvalidToken) as refused:
        reader.read(token, now)
    return refused.value.reason


@pytest.mark.parametrize(
    ("role", "scope", "subject"),
    [
        (Role.CITIZEN, {"number_lookup": LOOKUP}, "person:" + segment(LOOKUP)),
        (Role.KIOSK, {"office": "CA-TB-01"}, "kiosk@CA-TB-01"),
        (Role.STAFF, {"office": "CA-TB-01"}, "staff@CA-TB-01"),
        (Role.MANAGER, {"office": "CA-TB-01"}, "manager@CA-TB-01"),
        (Role.MANAGER, {"region": "TB"}, "manager@TB"),
        (Role.AUDITOR, {}, "auditor"),
        (Role.DASHBOARD, {}, "dashboard"),
        (Role.OPERATOR, {}, "operator"),
        (Role.OPERATOR, {"operator_name": "n.alharbi"}, "n.alharbi"),
    ],
)
def test_every_role_reads_back_as_it_was_issued(keys, reader, role, scope, subject):
    token = issue(keys, role, **scope, lifetime_s=HOUR, now=NOW)

    claims = reader.read(token, NOW)

    assert claims == Claims(role, subject, scope.get("office"), scope.get("region"), claims.jti, int(NOW) + HOUR)
    assert claims.number_lookup == scope.get("number_lookup")


def test_a_token_says_what_the_issuer_promises(token):
    header, payload, _ = map(str, token.split("."))

    claims = opened(payload)
    assert opened(header)["typ"] == "at+jwt"
    assert opened(header)["alg"] == "Ed25519"
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": "mawid",
        "aud": "mawid",
        "sub": "staff@CA-TB-01",
        "role": "staff",
        "office": "CA-TB-01",
        "iat": int(NOW),
        "nbf": int(NOW),
        "exp": int(NOW) + HOUR,
    }


def test_a_citizens_token_holds_the_lookup_and_never_the_number(keys):
    number = "1010101010"

    token = issue(keys, Role.CITIZEN, number_lookup=keys.number_lookup(number), lifetime_s=HOUR, now=NOW)

    assert number not in token
    assert number not in json.dumps(opened(token.split(".")[1]))


def test_two_tokens_of_one_caller_differ_but_share_the_subject(keys, reader):
    first, second = (reader.read(issue(keys, Role.AUDITOR, lifetime_s=HOUR, now=NOW), NOW) for _ in range(2))

    assert first.jti != second.jti
    assert replace(first, jti="") == replace(second, jti="")


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (Role.CITIZEN, {}),
        (Role.CITIZEN, {"number_lookup": b"short"}),
        (Role.CITIZEN, {"number_lookup": LOOKUP, "office": "CA-TB-01"}),
        (Role.CITIZEN, {"number_lookup": LOOKUP, "operator_name": "n"}),
        (Role.CITIZEN, {"operator_name": "person:" + segment(LOOKUP)}),
        (Role.KIOSK, {}),
        (Role.KIOSK, {"region": "TB"}),
        (Role.KIOSK, {"office": ""}),
        (Role.STAFF, {}),
        (Role.STAFF, {"office": "CA-TB-01", "region": "TB"}),
        (Role.STAFF, {"office": "CA-TB-01", "operator_name": "n"}),
        (Role.STAFF, {"office": "CA@TB"}),
        (Role.STAFF, {"office": "CA-TB-01\n"}),
        (Role.STAFF, {"number_lookup": LOOKUP, "office": "CA-TB-01"}),
        (Role.MANAGER, {}),
        (Role.MANAGER, {"office": "CA-TB-01", "region": "TB"}),
        (Role.AUDITOR, {"office": "CA-TB-01"}),
        (Role.AUDITOR, {"operator_name": "n"}),
        (Role.DASHBOARD, {"region": "TB"}),
        (Role.OPERATOR, {"office": "CA-TB-01"}),
        (Role.OPERATOR, {"office": "CA-TB-01", "operator_name": "n"}),
        (Role.OPERATOR, {"operator_name": ""}),
        (Role.OPERATOR, {"operator_name": "staff@CA-TB-01"}),
        (Role.OPERATOR, {"operator_name": "person:" + segment(LOOKUP)}),
        (Role.OPERATOR, {"operator_name": "auditor"}),
        (Role.OPERATOR, {"operator_name": "n\0"}),
        (Role.OPERATOR, {"number_lookup": LOOKUP}),
    ],
)
def test_a_scope_that_does_not_belong_to_the_role_is_not_issued(keys, role, scope):
    with pytest.raises(TokenScopeError):
        issue(keys, role, **scope, lifetime_s=HOUR, now=NOW)


@pytest.mark.parametrize("lifetime_s", [0, -1])
def test_a_token_without_a_life_is_not_issued(keys, lifetime_s):
    with pytest.raises(TokenScopeError):
        issue(keys, Role.AUDITOR, lifetime_s=lifetime_s, now=NOW)


@pytest.mark.parametrize(
    ("after_s", "verdict"),
    [(-31, "early"), (-30, None), (0, None), (HOUR - 1, None), (HOUR + 29, None), (HOUR + 30, "expired")],
)
def test_a_token_lives_from_its_issue_to_its_expiry_give_or_take_the_clock_skew(reader, token, after_s, verdict):
    now = int(NOW) + after_s

    if verdict is None:
        assert reader.read(token, now).role is Role.STAFF
    else:
        assert refusal(reader, token, now) == verdict


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": int(NOW) - 31}, "expired"),
        ({"exp": -(2**63)}, "expired"),
        ({"nbf": int(NOW) + 32}, "early"),
        ({"iat": int(NOW) + 32}, "early"),
        ({"iss": "https://id.example"}, "issuer"),
        ({"iss": "Mawid"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": ["mawid", "other"]}, "claims"),
        ({"role": "root"}, "role"),
        ({"role": "Staff"}, "role"),
        ({"role": ""}, "role"),
        ({"role": ["staff", "operator"]}, "claims"),
        ({"role": "operator"}, "scope"),
        ({"role": "kiosk"}, "scope"),
        ({"role": "citizen"}, "scope"),
        ({"role": "citizen", "office": None, "sub": "person:short"}, "scope"),
        ({"role": "operator", "office": None, "sub": "staff@CA-TB-01"}, "scope"),
        ({"office": None}, "scope"),
        ({"office": "CA-TB-02"}, "scope"),
        ({"region": "TB"}, "scope"),
        ({"sub": "staff@CA-TB-02"}, "scope"),
        ({"exp": "4102444800"}, "claims"),
        ({"exp": True}, "claims"),
        ({"exp": 4102444800.5}, "claims"),
        ({"exp": float("inf")}, "claims"),
        ({"exp": float("nan")}, "claims"),
        ({"jti": 7}, "claims"),
        *[({name: None}, "claims") for name in ("iss", "aud", "sub", "role", "iat", "nbf", "exp", "jti")],
    ],
)
def test_claims_are_refused_even_under_a_true_signature(reader, forged, changes, reason):
    assert refusal(reader, forged(**changes)) == reason


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"7", b'"staff"', b"{", b"\xff\xfe", b"[" * 5000, b"{}"])
def test_a_payload_that_is_no_set_of_claims_is_refused(keys, reader, token, payload):
    start = token.split(".")[0] + "." + segment(payload)

    assert refusal(reader, signed(keys.token, start)) in {"claims", "form"}


@pytest.mark.parametrize(
    "header",
    [
        *[
            {"alg": alg, "typ": "at+jwt"}
            for alg in ("none", "None", "nOnE", "NONE", "", "HS256", "ES256", "EdDSA", "Ed448")
        ],
        {"alg": None, "typ": "at+jwt"},
        {"alg": ["Ed25519"], "typ": "at+jwt"},
        {"typ": "at+jwt"},
        {"alg": "Ed25519"},
        {"alg": "Ed25519", "typ": "at+jwt"},
        {"alg": "Ed25519", "typ": "at+jwt", "kid": "00000000"},
        {},
        [],
        ["alg"],
        "alg",
    ],
)
def test_another_header_is_refused_even_under_a_true_signature(keys, reader, token, header):
    start = f"{segment(header)}.{token.split('.')[1]}"

    for attempt in (signed(keys.token, start), f"{start}."):
        assert refusal(reader, attempt) == "header"


@pytest.mark.parametrize(
    "addition",
    [
        {"typ": "JWT"},
        {"typ": "rt+jwt"},
        {"typ": "AT+JWT"},
        {"jku": "https://id.example/keys"},
        {"x5u": "https://id.example/chain"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
        {"crit": ["exp"]},
        {"crit": 5},
        {"b64": False, "crit": ["b64"]},
        {"cty": "JWT"},
        {"kid": "../../etc/passwd"},
        {"zip": "DEF"},
    ],
)
def test_a_true_header_with_an_addition_is_refused(keys, reader, token, addition):
    header, payload, _ = token.split(".")

    attempt = signed(keys.token, f"{segment({**opened(header), **addition})}.{payload}")

    assert refusal(reader, attempt) == "header"


def test_a_strangers_key_in_the_header_does_not_vouch_for_itself(keys, reader, token):
    stranger = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": segment(stranger.public_key().public_bytes_raw())}
    header, payload, _ = token.split(".")

    assert refusal(reader, signed(stranger, f"{segment({**opened(header), 'jwk': jwk})}.{payload}")) == "header"
    assert refusal(reader, signed(stranger, f"{header}.{payload}")) == "signature"


@pytest.mark.parametrize("shape", ["raw", "pem", "der"])
def test_the_public_key_is_no_hmac_secret(keys, reader, token, shape):
    public = keys.token.public_key()
    secret = {
        "raw": public.public_bytes_raw(),
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    }[shape]
    header, payload, _ = token.split(".")
    confused = f"{segment({**opened(header), 'alg': 'HS256'})}.{payload}"

    assert refusal(reader, f"{confused}.{segment(hmac.digest(secret, confused.encode(), 'sha256'))}") == "header"
    start = f"{header}.{payload}"
    assert refusal(reader, f"{start}.{segment(hmac.digest(secret, start.encode(), 'sha256'))}") == "signature"


def test_the_signing_key_of_the_log_signs_no_token(keys, reader, token):
    header, payload, _ = token.split(".")

    assert refusal(reader, signed(keys.signing, f"{header}.{payload}")) == "signature"


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "A",
        "A" * 86,
        "A" * 88,
        segment(b"\x00" * 64),
        segment(b"\xff" * 64),
        segment(b"x" * 2000),
        "!" * 86,
        "=" * 4,
    ],
)
def test_a_signature_that_is_none_is_refused(reader, token, signature):
    start = token.rpartition(".")[0]

    assert refusal(reader, f"{start}.{signature}") in {"signature", "form"}


def test_base64_has_one_spelling(reader, token):
    start, _, signature = token.rpartition(".")
    spare_bits = signature[:-1] + chr(ord(signature[-1]) + 1)
    spellings = [
        token + "=",
        token + "==",
        token + "\n",
        f" {token}",
        f"{start}.{spare_bits}",
        f"{start}.{signature[:40]}\n{signature[40:]}",
        f"{start}.{signature[:40]}!{signature[40:]}",
        f"{start}.{signature}.",
        f"{start}..{signature}",
        f"{start}=.{signature}",
    ]

    reasons = {refusal(reader, spelling) for spelling in spellings}

    assert reasons <= {"signature", "form", "header", "claims"}


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "Bearer x",
        "\0",
        "\ud800",
        "موعد.موعد.موعد",
        "٧.٧.٧",
        "{}",
        "mwd_1_secret",
        "e30.e30.",
        "'; DROP TABLE person; --",
        "." * 8192,
    ],
)
def test_garbage_is_refused(reader, garbage):
    assert refusal(reader, garbage) == "header"


def test_a_true_start_does_not_save_what_follows(reader, token):
    start = token.split(".")[0] + "."

    for rest in ("", ".", "..", "\ud800.a", "ملف.a", "\0.\0", "e30", "e30.e30.e30.e30", "e30." + "A" * 1025, "?.?"):
        assert refusal(reader, start + rest) in {"form", "signature"}


@pytest.mark.parametrize("size", [8193, 1 << 20])
def test_a_huge_token_is_refused_by_its_length(reader, token, size):
    assert refusal(reader, token.ljust(size, "A")) == "length"


@given(st.data())
def test_no_changed_character_is_accepted(keys, token, data):
    reader = TokenReader(keys.token.public_key())
    reader.read(token, NOW)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[at]))

    refusal(reader, token[:at] + other + token[at + 1 :])


@given(st.text())
def test_no_text_makes_anything_but_a_refusal(keys, token, text):
    reader = TokenReader(keys.token.public_key())

    for attempt in (text, token.split(".")[0] + "." + text, token.rpartition(".")[0] + "." + text):
        refusal(reader, attempt)


def test_a_refusal_repeats_nothing_of_the_token(reader, forged):
    attempt = forged(role="<script>alert(1)</script>")

    with pytest.raises(InvalidToken) as refused:
        reader.read(attempt, NOW)

    assert "script" not in str(refused.value)
    assert refused.value.reason == "role"


class CountingReader(TokenReader):
    verified = 0

    def _verify(self, token: str, now: float) -> Claims:
        self.verified += 1
        return super()._verify(token, now)


def counting(keys: Keys, **limits: Any) -> CountingReader:
    return CountingReader(keys.token.public_key(), **limits)


def test_an_accepted_token_is_verified_again_after_a_minute(keys, token):
    reader = counting(keys)

    for after_s in (0, 1, 59.9):
        reader.read(token, NOW + after_s)
    assert reader.verified == 1

    reader.read(token, NOW + 60)
    assert reader.verified == 2


def test_a_remembered_token_ends_with_its_expiry(keys):
    reader = counting(keys, clock_skew_s=0)
    token = issue(keys, Role.AUDITOR, lifetime_s=10, now=NOW)
    reader.read(token, NOW)

    assert refusal(reader, token, int(NOW) + 10) == "expired"
    assert reader.verified == 2


def test_a_clock_set_back_verifies_again(keys, token):
    reader = counting(keys)
    reader.read(token, NOW)

    assert refusal(reader, token, NOW - 100) == "early"


def test_refusals_are_not_remembered(keys, token):
    reader = counting(keys)
    for _ in range(3):
        refusal(reader, token[:-1])

    assert reader.verified == 3
    assert reader._accepted == {}


def test_the_cache_is_bounded_and_the_longest_known_leaves_first(keys):
    reader = counting(keys, cached_tokens_max=3)
    tokens = [issue(keys, Role.AUDITOR, lifetime_s=HOUR, now=NOW) for _ in range(4)]
    for token in tokens:
        reader.read(token, NOW)

    for token in tokens[1:]:
        reader.read(token, NOW)
    assert (reader.verified, len(reader._accepted)) == (4, 3)

    reader.read(tokens[0], NOW)
    assert (reader.verified, len(reader._accepted)) == (5, 3)


def test_a_token_verified_anew_counts_as_the_latest(keys):
    reader = counting(keys, cached_tokens_max=3)
    first, anew, between, *later = (issue(keys, Role.AUDITOR, lifetime_s=HOUR, now=NOW) for _ in range(5))
    reader.read(first, NOW)
    reader.read(anew, NOW)
    reader.read(between, NOW + 30)
    reader.read(anew, NOW + 61)
    for token in later:
        reader.read(token, NOW + 62)
    assert reader.verified == 6

    reader.read(anew, NOW + 63)
    assert reader.verified == 6


def test_the_cache_keeps_no_token_in_clear(keys, token):
    reader = counting(keys)
    reader.read(token, NOW)

    assert token not in repr(reader._accepted)


def test_the_cache_can_be_turned_off(keys, token):
    reader = counting(keys, cache_s=0)
    for _ in range(3):
        reader.read(token, NOW)

    assert reader.verified == 3


@pytest.mark.parametrize("cache_s", [-1, 61])
def test_a_cache_beyond_a_minute_is_not_configured(keys, cache_s):
    with pytest.raises(ValueError, match="60"):
        counting(keys, cache_s=cache_s)


def test_issuing_and_reading_warn_of_nothing(keys, reader):
    """The library warns of algorithms it calls deprecated, `EdDSA` among them: it would at every request."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert reader.read(issue(keys, Role.AUDITOR, lifetime_s=HOUR, now=NOW), NOW).role is Role.AUDITOR

"""A desk with everything on it that a page can show, hostile text among it."""

from __future__ import annotations

from fedbridge.cli.check.finding import Finding
from fedbridge.cli.console.desk import Checked, Detail, Key, Row, Unavailable, Value
from fedbridge.cli.explain import Failure, Step, Story

NOW = 1_790_000_000.0
REFERENCE = "Zk3m9QpT7vXc2LrY8sHd4w"

BANK = Row(
    name="bank",
    protocol="oidc",
    issuer="https://login.bank.example",
    preset="fapi2_generic",
    version="3f9a1c44d2e80b17",
    published_at=NOW - 86_400,
    disabled=False,
)
CLINIC = Row(
    name="clinic",
    protocol="saml",
    issuer="https://idp.clinic.example/<script>alert(1)</script>",
    preset=None,
    version="77aa00bb11cc22dd",
    published_at=None,
    disabled=True,
)
KEYS = (
    Key(
        use="client-assertion",
        kid="u3ZpQ2lJ8h1o0J0x7mV1s1yQf0c8n2bT4e6w9k5a7dM",
        reference="kms:arn:aws:kms:eu-north-1:123456789012:key/0d2c4a6e-8b1f-4c3d-9e5a-7f6b8c9d0e1f",
        state="active",
        ring="bank",
        created_at=NOW - 80 * 86_400,
        next_step="gives way to the next key on 2026-09-30",
    ),
    Key(
        use="saml-signing",
        kid="aQ9mX0kP2r7Lw4Yt6Hs1Zc8Vb3Nd5Gf0Je2Ui4Ko6Mq",
        reference="secretsmanager:fedbridge/prod/saml/clinic-2",
        state="next",
        ring="clinic",
        created_at=NOW - 2 * 86_400,
        expires_at=NOW + 700 * 86_400,
        next_step="upload its certificate at the provider, then confirm it",
        awaits_confirmation=True,
    ),
)
FAILURES = tuple(
    Failure(
        at=NOW - 60 * minutes,
        id=f"{REFERENCE[:-2]}{minutes:02}",
        connection="bank",
        event="sign_in_failed",
        reason="client_authentication_refused",
        means="The provider does not accept the bridge's client assertion.",
        whose=("configuration", "provider"),
    )
    for minutes in range(1, 8)
)
STORY = Story(
    id=REFERENCE,
    outcome="failed",
    summary="The provider refused the bridge's client assertion, and the app was told server_error.",
    connection="bank",
    reason="client_authentication_refused",
    means="The key is not known there, or the audience is another.",
    todo="Run the check below; it says which.",
    whose=("configuration", "provider"),
    checks=("fedbridge check bank",),
    steps=(
        Step(at=NOW - 9, what="The browser was sent to the provider", went_well=True, duration_ms=12.0),
        Step(at=NOW - 1, what="The provider answered the token request", went_well=False, duration_ms=214.0, detail="status 401, invalid_client"),
    ),
)  # fmt: skip
FINDING = Finding(
    code="client_assertion_refused",
    severity="error",
    subject="client authentication",
    what="The token endpoint answers invalid_client to a made-up code.",
    why="Nobody can sign in: the provider does not accept the bridge's assertion.",
    fix="Register the JWKS URI https://login.example/bank/client-jwks.json at the provider.",
)


class FakeDesk:
    """A `Desk` that holds still. `broken` names what cannot be read."""

    title = "prod at https://login.example"

    def __init__(self, *, broken: frozenset[str] = frozenset(), rows: tuple[Row, ...] = (BANK, CLINIC)):
        self.broken = broken
        self.rows = rows
        self.checked: list[str] = []
        self.found = Checked(findings=(FINDING,))
        self.asked: list[str] = []

    def connections(self) -> tuple[Row, ...]:
        self._open("connections")
        return self.rows

    def detail(self, name: str) -> Detail:
        row = {row.name: row for row in self.rows}[name]
        return Detail(
            row=row,
            for_provider=(
                Value(name="Redirect URI", value=f"https://login.example/{name}/callback"),
                Value(name="JWKS URI", value=f"https://login.example/{name}/client-jwks.json"),
            ),
            for_cognito=(
                Value(name="oidc_issuer", value=f"https://login.example/{name}"),
                Value(name="client_secret", value="kept by nobody", note="fedbridge secrets new prints one"),
            ),
            keys=KEYS,
            document=f"{name}:\n  issuer: {row.issuer}\n",
            previous="0a1b2c3d4e5f6071",
        )

    def check(self, name: str) -> Checked:
        self.detail(name)
        self.checked.append(name)
        return self.found

    def rotated_keys(self) -> tuple[Key, ...]:
        self._open("keys")
        return KEYS

    def failures(self) -> tuple[Failure, ...]:
        self._open("logs")
        return FAILURES

    def story(self, reference: str) -> Story:
        self.asked.append(reference)
        return STORY

    def _open(self, what: str) -> None:
        if what in self.broken:
            raise Unavailable(f"no permission to read the {what}")

"""On-boarding as the README has it: keys and secrets in AWS, connections.yaml, `fedbridge connections apply`.

The identity provider is oidc-provider over TLS on 127.0.0.1, the bridge is at `localhost`, and both have certificates of
the test's own authority. Addresses of relying parties are those of user pools in AWS.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trustme

from fedbridge.cli.secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.browser import loopback_transport, new_browser, travel
from tests.counterparts.cognito import FederatedUser, UserPool
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.ministack import REGION
from tests.counterparts.oidc_provider import Client, OidcProvider, Tls
from tests.infra.building import bare_environment
from tests.interop.passage import Passage, made_by_bridge, watch_received
from tests.support import canaries
from tests.support.keys import ec_key, private_pem

CLIENT_ID = "cognito"
UPSTREAM_SECRET = "p:a+s%s w&rd=ü€/" + "s" * 20
STRICT_POOL = f"https://acme.auth.{REGION}.amazoncognito.com"
"""The domain of the strict user pool."""

CONNECTIONS = {
    "kms": "{method: private_key_jwt, key: 'kms:$kms_key', algorithm: PS256}",
    "key": "{method: private_key_jwt, key: 'secretsmanager:fedbridge/prod/bank/client-key'}",
    "secret": "{method: client_secret_basic, secret: 'secretsmanager:fedbridge/prod/bank/client#secret'}",
}
"""`client_authentication` by connection: a key that never leaves KMS, a key and a secret in Secrets Manager."""

CLIENTS: Mapping[str, Mapping[str, Any]] = {
    "kms": {"token_endpoint_auth_signing_alg": "PS256"},
    "key": {"token_endpoint_auth_signing_alg": "ES256"},
    "secret": {"token_endpoint_auth_method": "client_secret_basic", "client_secret": UPSTREAM_SECRET},
}
"""What the identity provider has registered for each of them."""


@dataclass(frozen=True, kw_only=True)
class Onboarded:
    """A bridge with connections, reached over TLS that `authority` (a PEM file) vouches for."""

    base_url: str
    authority: Path
    op: OidcProvider
    secrets: Mapping[str, str] = field(repr=False)

    def identity_provider(self, name: str) -> OidcIdentityProvider:
        """Return what to type into Cognito for a connection."""
        return OidcIdentityProvider(
            name="Bank",
            client_id=CLIENT_ID,
            client_secret=self.secrets[name],
            oidc_issuer=f"{self.base_url}/{name}",
        )

    def browser(self, origins: Mapping[str, str] | None = None) -> httpx.Client:
        return new_browser(authority=self.authority, origins=origins)

    def sign_in(self, name: str) -> tuple[FederatedUser, Passage]:
        """Sign alice in at a strict user pool that is federated to the connection."""
        transport = loopback_transport(self.authority)
        # How long an emulator takes to unpack a function says nothing about Lambda.
        pool = UserPool(transport=transport, domain=STRICT_POOL, back_channel_seconds=60)
        with pool, self.browser() as browser:
            pool.create_identity_provider(self.identity_provider(name))
            self.op.clear_journal()
            trip = travel(
                browser,
                pool.authorize("Bank"),
                until=lambda request: str(request.url).startswith(pool.redirect_uri),
            )
            upstream = self.op.journal()
            user = pool.redeem(pool.idpresponse(trip.url).code)
            # Neither /token nor /userinfo made the bridge call its identity provider.
            assert len(made_by_bridge(self.op.journal())) == len(made_by_bridge(upstream))
        return user, Passage(trip=trip, upstream=upstream)


def watch(user: FederatedUser, passage: Passage) -> None:
    """Register everything that went by in a sign-in and that no log may hold."""
    for entry in passage.upstream:
        watch_received(entry)
    for response in passage.trip.responses:
        urls = [response.request.url, httpx.URL(response.headers.get("location", ""))]
        for name in ("code", "state", "nonce"):
            for url in urls:
                canaries.watch(url.params.get(name), name)
        for cookie in response.cookies.values():
            canaries.watch(cookie, "cookie")
    for name, value in user.claims.items():
        if name not in {"iss", "aud"}:
            canaries.watch(value, "claim")


def emulated_domain(name: str) -> str:
    """Return the domain prefix that a user pool of the emulator has to have to sign in through a connection."""
    return f"bank-{name}"


@contextmanager
def strict_idp(authority: trustme.CA, folder: Path, port: int = 0) -> Iterator[OidcProvider]:
    """Run an identity provider that serves TLS and fetches its clients' keys over TLS."""
    certificate = authority.issue_cert("127.0.0.1")
    files = {name: folder / f"idp-{name}.pem" for name in ("certificate", "key", "authority")}
    files["certificate"].write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    files["key"].write_bytes(certificate.private_key_pem.bytes())
    files["authority"].write_bytes(authority.cert_pem.bytes())
    with OidcProvider(port=port, tls=Tls(**files)) as op:
        yield op


def onboard(
    *,
    base_url: str,
    authority: Path,
    op: OidcProvider,
    table: str,
    aws: Any,
    aws_environment: Mapping[str, str],
    folder: Path,
) -> Onboarded:
    """Make keys and secrets, write and publish the file, register the clients. `aws` makes a client of a service."""
    key = aws("kms").create_key(
        KeySpec="RSA_2048",
        KeyUsage="SIGN_VERIFY",
        Tags=[
            {"TagKey": "fedbridge:environment", "TagValue": "prod"},
            {"TagKey": "fedbridge:use", "TagValue": "client-assertion"},
        ],
    )
    client = json.dumps({"secret": canaries.canary(UPSTREAM_SECRET, "client_secret")})
    for name, value in (("client-key", private_pem(ec_key(number=1))), ("client", client)):
        aws("secretsmanager").create_secret(Name=f"fedbridge/prod/bank/{name}", SecretString=value)
    secrets = {name: canaries.canary(new_client_secret(), "client_secret") for name in CONNECTIONS}
    file = folder / "connections.yaml"
    file.write_text(_yaml(op.issuer, secrets).replace("$kms_key", key["KeyMetadata"]["Arn"]))
    host = str(httpx.URL(op.origin).netloc, "ascii")
    fedbridge(
        "connections",
        "apply",
        str(file),
        "--table",
        table,
        "--private-host",
        host,
        "--ca-bundle",
        str(authority),
        environment=aws_environment,
    )
    op.set_clients(*(_client(name, base_url) for name in CONNECTIONS))
    return Onboarded(base_url=base_url, authority=authority, op=op, secrets=secrets)


def fedbridge(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run the operator's command and return what it printed; fails the test if it fails."""
    command: Sequence[str | Path] = [Path(sys.executable).parent / "fedbridge", *arguments]
    done = subprocess.run(
        command,
        env={**bare_environment(), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: str = done.stdout
    canaries.observe_output(said + done.stderr, "fedbridge")
    return said


def _yaml(issuer: str, secrets: Mapping[str, str]) -> str:
    connections = "".join(
        f"""
  {name}:
    issuer: {issuer}
    client_id: bridge-{name}
    client_authentication: {CONNECTIONS[name]}
    authorization: {{scope: openid email}}
    relying_parties:
      - client_id: {CLIENT_ID}
        secret_hashes: ["{secret_hash(secret)}"]
        redirect_uris:
          - {STRICT_POOL}/oauth2/idpresponse
          - https://{emulated_domain(name)}.auth.{REGION}.amazoncognito.com/oauth2/idpresponse
        restart_url: https://app.example/
"""
        for name, secret in secrets.items()
    )
    return f"connections:{connections}"


def _client(name: str, base_url: str) -> Client:
    keyed = {} if "client_secret" in CLIENTS[name] else {"jwks_uri": f"{base_url}/{name}/client-jwks.json"}
    return Client(
        client_id=f"bridge-{name}",
        redirect_uris=[f"{base_url}/{name}/callback"],
        **{**keyed, **CLIENTS[name]},
    )

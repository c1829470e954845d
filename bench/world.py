"""What the functions meet: keys, certificates, the canned endpoints, published connections, and their environments."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import certifi
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from jwt.algorithms import RSAAlgorithm

from bench import saml_scenarios
from bench.scenarios import SCENARIOS
from fedbridge.aws import sdk_client
from fedbridge.configuration.document import encode
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClaimRule,
    ClientAuthentication,
    Connection,
    RelyingParty,
)
from fedbridge.model.deadline import Deadline
from fedbridge.op.client_authentication import secret_hash
from fedbridge.publishing import publishable
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from tests.counterparts.process import Program, clean_environment

ROOT = Path(__file__).resolve().parents[1]
BASE_URL = "https://login.bank.example"
REDIRECT_URI = "https://acme-corp.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"
CLIENT_ID = "cognito-acme-corp"
CLIENT_SECRET = "kq7GJ2yZ0tQ3wq0mCk1rX9dVw5pLh8sNfB4uTzY6oEa"  # noqa: S105  opens nothing but this run
REGION = "eu-west-1"
START = 30.0

LOCAL, KMS, FILE = "bank", "bank-kms", "bank-file"
"""Connections: the client's key from Secrets Manager and held by the sandbox, in KMS, in a file."""

_ACCOUNT = "123456789012"
_PRIVATE_KEY = "fedbridge/bench/client-key"
_ID_TOKEN_KEY = "fedbridge/bench/id-token/key"  # noqa: S105  the name of a secret
TABLES = {"transactions": "id", "connections": "name", "state": "state", "code": "auth_code"}
"""Name → partition key; tables whose names begin with one of these and a hyphen are made as they are filled."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_SESSION_TOKEN": "example",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def kms_arn() -> str:
    """Return the ARN of a key that is yet to be."""
    return f"arn:aws:kms:{REGION}:{_ACCOUNT}:key/{uuid.uuid4()}"


class Gate(Protocol):
    """Something in front of the provider, at a port of its own."""

    port: int
    upstream_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A run's surroundings; `folder` is emptied with it. `issuer` is the identity provider."""

    folder: Path
    aws_port: int
    provider_port: int
    id_token_arn: str

    @property
    def issuer(self) -> str:
        """The identity provider's issuer."""
        return f"https://localhost:{self.provider_port}"

    @property
    def aws_url(self) -> str:
        """Where AWS answers."""
        return f"http://127.0.0.1:{self.aws_port}"

    def functions(self, *, kms: bool = False, memory: bool = False) -> dict[str, str]:
        """Return the environment of fedbridge's functions.

        By default as on AWS, ID tokens signed with a key from Secrets Manager; with `kms` by KMS; with `memory` as in
        a local run: transactions in memory, keys in files.
        """
        keys = f"secretsmanager:{_ID_TOKEN_KEY}"
        if kms:
            keys = f"kms:{self.id_token_arn}"
        if memory:
            keys = f"file:{self.folder}/id-token.json"
        deployed = {} if memory else {"AWS_LAMBDA_FUNCTION_NAME": "bench"}
        return self._aws() | deployed | {
            "FEDBRIDGE_ENVIRONMENT": "bench",
            "FEDBRIDGE_BASE_URL": BASE_URL,
            "FEDBRIDGE_TRANSACTIONS": "memory:" if memory else "dynamodb:transactions",
            "FEDBRIDGE_CONNECTIONS": "dynamodb:connections",
            "FEDBRIDGE_ID_TOKEN_KEYS": keys,
            "FEDBRIDGE_PRIVATE_HOSTS": f"localhost:{self.provider_port}",
            "FEDBRIDGE_CA_BUNDLE": str(self.folder / "authority.pem"),
            "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/bench",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }  # fmt: skip

    def stand_in(self) -> dict[str, str]:
        """Return the environment of the stand-in's functions. The bundle is what an operating system ships, and ours."""
        return self._aws() | {
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": CLIENT_SECRET,
            "STATE_TABLE": "state",
            "CODE_TABLE": "code",
            "PRIVATE_KEY_SECRET": _PRIVATE_KEY,
            "CALLBACK_URI": f"{BASE_URL}/callback",
            "COGNITO_RESPONSE_URI": REDIRECT_URI,
            "IDP_AUTHORIZE_URL": f"{self.issuer}/authorize",
            "IDP_HOST": f"localhost:{self.provider_port}",
            "IDP_TOKEN_PATH": "/token",
            "SSL_CERT_FILE": str(self.folder / "bundle.pem"),
        }

    def aws(self, path: str, body: Any = None) -> Any:
        """Ask the canned AWS endpoint one of the bench's own questions."""
        return _ask(http.client.HTTPConnection("127.0.0.1", self.aws_port), f"/bench/{path}", body)

    def calls(self) -> Counter[str]:
        """Return all calls so far, `dynamodb:PutItem` and `idp:/token` among them."""
        context = ssl.create_default_context(cafile=str(self.folder / "authority.pem"))
        provider = http.client.HTTPSConnection("localhost", self.provider_port, context=context)
        upstream = {f"idp:{path}": times for path, times in _ask(provider, "/bench/calls").items()}
        return Counter(self.aws("calls") | upstream)

    def _aws(self) -> dict[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.aws_url, "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def running(folder: Path, *, aws: str = "bench.aws_endpoint", gate: Gate | None = None) -> Iterator[World]:
    """Start a world, its connections published, in an empty folder; the provider is reached through the gate."""
    os.environ.update(
        CREDENTIALS
    )  # of this process too, which publishes: never what a profile of the machine holds
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    (folder / "bundle.pem").write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "provider.pem")
    )
    client_key, id_token_key = _jwk("client"), _jwk("id-token")
    (folder / "client.json").write_text(client_key)
    (folder / "id-token.json").write_text(id_token_key)
    client_arn, id_token_arn = kms_arn(), kms_arn()
    with ExitStack() as stack:
        start = partial(_start, stack)
        aws_port = start(
            aws,
            tables=TABLES,
            secrets={
                _PRIVATE_KEY: client_key,
                _ID_TOKEN_KEY: id_token_key,
                **saml_scenarios.make_keys(folder),
            },
            keys={client_arn: _pem(_rsa()), id_token_arn: _pem(_rsa())},
        )
        provider = {
            "certificate": str(folder / "provider.pem"),
            "key": _pem(_rsa()),
            "kid": "idp-2026",
            "encryption": _decryption_keys(folder),
            "public_port": gate and gate.port,
        }
        provider_port = start("bench.identity_provider", **provider)
        if gate is not None:
            gate.upstream_port, provider_port = provider_port, gate.port
        world = World(
            folder=folder,
            aws_port=aws_port,
            provider_port=provider_port,
            id_token_arn=id_token_arn,
        )
        _publish(world, client_arn)
        yield world


def _start(stack: ExitStack, module: str, **settings: Any) -> int:
    program = Program(
        module,
        [sys.executable, "-m", module],
        env=clean_environment(PYTHONPATH=f"{ROOT}:{ROOT / 'shared'}"),
        cwd=ROOT,
    )
    stack.enter_context(program)
    place(program, measured=False)
    program.write_line(json.dumps(settings))
    return int(program.read_line(START))


def _publish(world: World, client_arn: str) -> None:
    """Publish the three connections, those of the strict scenarios and of SAML, as `fedbridge connections apply` does."""
    clients = partial(sdk_client, endpoint_url=world.aws_url)
    secrets = CachedSecrets(clients, allow_local=True, telemetry=_Silent())
    keys = CachedKeys(secrets, clients)
    publisher = ConnectionPublisher(clients("dynamodb"), "connections")
    references = {
        LOCAL: f"secretsmanager:{_PRIVATE_KEY}",
        KMS: f"kms:{client_arn}",
        FILE: f"file:{world.folder}/client.json",
    }
    banks = [connection(name, world.issuer, reference) for name, reference in references.items()]
    # Their own client ids, so that the provider knows them; the same key, which nobody but a bench may do.
    banks += [
        scenario.change(
            replace(banks[-1], name=scenario.name, client_id=scenario.name),
            world.folder,
        )
        for scenario in SCENARIOS
    ]
    banks += [scenario.connection(banks[0]) for scenario in saml_scenarios.SCENARIOS.values()]
    for bank in banks:
        complete = publishable(bank, keys, secrets)
        publisher.publish(bank.name, encode(complete), complete.version, Deadline.after(START))


def _decryption_keys(folder: Path) -> dict[str, dict[str, Any]]:
    """Write the keys that decrypt; returns by client id the public ones, as the provider encrypts to them."""
    made: dict[str, tuple[RSAKey | ECKey, str]] = {
        "rsa": (RSAKey.generate_key(2048), "RSA-OAEP-256"),
        "ec": (ECKey.generate_key("P-256"), "ECDH-ES+A256KW"),
    }
    for name, (key, _) in made.items():
        (folder / f"decryption-{name}.json").write_text(json.dumps(key.as_dict(private=True)))
    return {
        f"bank-jwe-{name}": {**key.as_dict(private=False), "kid": key.thumbprint(), "alg": algorithm}
        for name, (key, algorithm) in made.items()
    }


def connection(name: str, issuer: str, key: str) -> Connection:
    """Return a connection as a bank's would be: `private_key_jwt`, discovery, PKCE, userinfo, a mapping of claims."""
    party = RelyingParty(
        client_id=CLIENT_ID,
        secret_hashes=(secret_hash(CLIENT_SECRET),),
        redirect_uris=(REDIRECT_URI, "https://signin.acme-corp.example/oauth2/idpresponse"),
        restart_url="https://app.acme-corp.example/",
        name="Acme",
    )
    return Connection(
        name=name,
        issuer=issuer,
        client_id="fedbridge-at-bank",
        relying_parties=(party,),
        client_authentication=ClientAuthentication(method="private_key_jwt", key=key, algorithm="RS256"),
        authorization=AuthorizationRequestProfile(scope="openid profile email phone"),
        claims={
            "email": ClaimRule(value="email", required=True),
            "email_verified": "email_verified",
            "name": "name",
            "given_name": "given_name",
            "family_name": "family_name",
            "phone_number": "phone_number",
            "locale": "locale",
            "bank_subject": "upstream_sub",
        },
    )


def place(program: Program, *, measured: bool) -> None:
    """Keep what is measured on the first CPU and the rest off it, where there are two.

    Loopback wakes the other end on the sender's own CPU, where it would throw the measured process out of the caches.
    """
    if not sys.platform.startswith("linux"):
        return
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(program.pid, {first} if measured or not others else others)


class _Silent:
    def event(self, name: str, **fields: Any) -> None:
        """Nobody reads the log of a publication."""


def _ask(connection: http.client.HTTPConnection, path: str, body: Any = None) -> Any:
    try:
        connection.request("POST", path, json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _jwk(kid: str) -> str:
    jwk: Mapping[str, Any] = RSAAlgorithm.to_jwk(_rsa(), as_dict=True)
    return json.dumps({**jwk, "kid": kid})

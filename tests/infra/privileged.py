"""Sign-ins and sign-outs that use every privilege of every function, on an account that writes their calls down.

The services are wiring's own, in the environment that the template gives to each function; identity providers are made
here. A key, a secret, a parameter and a user pool of each kind exist, tagged and named as operators are told to.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fedbridge import wiring
from fedbridge.aws import sdk_client
from fedbridge.configuration.document import encode
from fedbridge.keys.provider import CachedKeys
from fedbridge.keys.secrets import CachedSecrets
from fedbridge.model.connection import ClientAuthentication, Connection, IdTokenPolicy, RelyingParty
from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.saml import AssertionPolicy, SamlKey, SamlProvider
from fedbridge.rp.logout_token import LogoutTokenVerifier
from fedbridge.rp.oidc import OidcUpstream
from fedbridge.store.connections_dynamodb import ConnectionPublisher
from tests.fakes.kms import KmsKey
from tests.fakes.telemetry import RecordingTelemetry
from tests.infra.template import Template
from tests.support.bridge import connection
from tests.support.gateway import (
    BACKCHANNEL_LOGOUT,
    FRONT_CHANNEL,
    FRONTCHANNEL_LOGOUT,
    JWKS,
    Answer,
    Visitor,
    idp_fields,
)
from tests.support.keys import ec_key, private_pem, rsa_key
from tests.support.leaving import with_ways_out
from tests.support.recorded_aws import CREDENTIALS, RecordedAws, recorded_aws
from tests.support.single_logout import INDEX, SLO, LeavingSamlGateway, LogoutMessage, SignedIn
from tests.unit.rp.encryption import decrypting, decryption_key, encrypt
from tests.unit.rp.idp import FakeClock, FakeIdp, native
from tests.unit.rp.logout_tokens import SID, logout_token
from tests.unit.sp.idp import GCM256, SSO, Message, SamlIdp, certificate
from tests.unit.sp.idp import decryption_key as saml_decryption_key

BASE_URL = "https://bridge.example"
ARN = "arn:aws:kms:eu-central-1:111122223333:key/{}"
USES = {
    "id-token": "id-token",
    "client": "client-assertion",
    "rsa": "token-decryption",
    "ec": "token-decryption",
    "saml": "saml-signing",
    "saml-encryption": "saml-decryption",
}
"""KMS key → its tag fedbridge:use."""

SECRETS = {
    "fedbridge/prod/bank/client": "a-client-secret-of-the-bank-0123456789",
    "fedbridge/prod/id-token/2027": private_pem(ec_key(number=27)),
    "fedbridge/prod/acme/idp-certificate": certificate(1)[1],
    "fedbridge/prod/acme/idp-certificate-next": certificate(2)[1],
}
"""By name: some in Secrets Manager, all of them in Parameter Store, after a slash, as well."""

TOKENS = {"rsa": ("RSA", "RSA-OAEP-256"), "ec": ("P-256", "ECDH-ES")}
"""KMS key → its kind, and how ID tokens are encrypted to it."""


class Now(FakeClock):
    """The system's clock, which wiring takes."""

    def __call__(self) -> float:
        return time.time()


class PrivilegedGateway(LeavingSamlGateway):
    """The functions as they are deployed, but for the network that identity providers are behind.

    Connection `bank` authenticates by KMS and gets encrypted tokens; `secret` and `parameter` hold client secrets and
    sign out in every way; `acme` is SAML, signs and decrypts by KMS, and signs out both ways.
    """

    def __init__(
        self, aws: RecordedAws, environment: pytest.MonkeyPatch, parameters: Mapping[str, str]
    ) -> None:
        super().__init__(SamlIdp(policy=AssertionPolicy(encryption="optional")))
        self.aws, self.environment, self.parameters = aws, environment, parameters
        self.watched = False
        self.idp = FakeIdp(
            clock=Now(), claims={"sid": SID}, metadata={"end_session_endpoint": "https://idp.example/logout"}
        )
        self._make_account()
        self.bridge.front = replace(
            self._wired("FrontChannel", wiring.front_channel), upstream=self._upstream()
        )
        self.bridge.back = replace(
            self._wired("BackChannel", wiring.back_channel), logout_tokens=self._verifier
        )
        self.saml = self._wired("Saml", wiring.saml_channel)

    def invoke(self, event: Mapping[str, Any], path: str) -> dict[str, Any]:
        self._call_as(
            "Saml" if path.startswith("saml/") else "FrontChannel" if path in FRONT_CHANNEL else "BackChannel"
        )
        return super().invoke(event, path)

    def _call_as(self, function: str) -> None:
        """Let the clients that are made from now on be this function's."""
        self.environment.setenv("AWS_ENDPOINT_URL", self.aws.endpoint(function))

    def _wired(self, function: str, services: Callable[[Mapping[str, str]], Any]) -> Any:
        self._call_as(function)
        variables: dict[str, str] = Template(dict(self.parameters)).properties(function)["Environment"][
            "Variables"
        ]
        return services(variables | {"AWS_LAMBDA_FUNCTION_NAME": function})

    def _ports(self, function: str) -> dict[str, Any]:
        """Return what wiring gives to whatever speaks to identity providers, with a network of our own."""

        def clients(service: str) -> Any:
            return sdk_client(service, endpoint_url=self.aws.endpoint(function))

        telemetry = RecordingTelemetry()
        secrets = CachedSecrets(clients, allow_local=False, telemetry=telemetry)
        assert self.idp is not None
        return {
            "http": self.idp.http,
            "keys": CachedKeys(secrets, clients),
            "secrets": secrets,
            "telemetry": telemetry,
        }

    def _upstream(self) -> Any:
        upstream = OidcUpstream(**self._ports("FrontChannel"))
        return lambda _connection: upstream

    def _verifier(self) -> LogoutTokenVerifier:
        return LogoutTokenVerifier(**self._ports("BackChannel"))

    # --- the account ----------------------------------------------------------------------------------------------

    def _make_account(self) -> None:
        operator = {
            service: sdk_client(service, endpoint_url=self.aws.endpoint("operator"), read_timeout=30)
            for service in ("cognito-idp", "dynamodb", "secretsmanager", "ssm")
        }
        self.pool = operator["cognito-idp"].create_user_pool(PoolName="people")["UserPool"]["Id"]
        for table, key in (("Transactions", "id"), ("Connections", "name"), ("Sessions", "id")):
            operator["dynamodb"].create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            )
        for name, value in SECRETS.items():
            operator["secretsmanager"].create_secret(Name=name, SecretString=value)
            operator["ssm"].put_parameter(Name=f"/{name}", Value=value, Type="SecureString")
        private: dict[str, Any] = {name: rsa_key(number=40 + at) for at, name in enumerate(USES)}
        private |= {name: native(decryption_key(kind)) for name, (kind, _) in TOKENS.items()}
        private["saml-encryption"] = saml_decryption_key()
        usages = {"rsa": "ENCRYPT_DECRYPT", "ec": "KEY_AGREEMENT", "saml-encryption": "ENCRYPT_DECRYPT"}
        for name, key in private.items():
            self.aws.kms.keys[ARN.format(name)] = KmsKey(key, usage=usages.get(name, "SIGN_VERIFY"))
        publisher = ConnectionPublisher(operator["dynamodb"], "Connections")
        for each in (self._bank(), self._by_secret("secret"), self._by_secret("parameter"), self._acme()):
            publisher.publish(each.name, encode(each), each.version, Deadline.after(20))

    def _bank(self) -> Connection:
        fields = {
            "client_authentication": ClientAuthentication(
                method="private_key_jwt", key=f"kms:{ARN.format('client')}", algorithm="PS256"
            ),
            "id_token": IdTokenPolicy(algorithms=("ES256",), encryption="required"),
            "token_decryption": decrypting(*(f"kms:{ARN.format(name)}" for name in TOKENS)),
        }
        assert self.idp is not None
        return connection("bank", **(idp_fields(self.idp) | fields))

    def _by_secret(self, name: str) -> Connection:
        where = "secretsmanager:" if name == "secret" else "ssm:/"
        secret = f"{where}fedbridge/prod/bank/client"
        assert self.idp is not None
        fields = idp_fields(self.idp) | {"client_authentication": ClientAuthentication(secret=secret)}
        ways_out = Logout(mode="id_token_hint", sessions=True, back_channel=True, front_channel=True)
        at = connection(name, logout=ways_out, **fields)
        return replace(at, relying_parties=tuple(self._in_pool(party) for party in at.relying_parties))

    def _acme(self) -> Connection:
        at = self.bridge.registry.get("acme", Deadline.after(20))
        assert at.saml is not None
        provider = SamlProvider(
            single_sign_on_service=SSO,
            certificates=(
                "secretsmanager:fedbridge/prod/acme/idp-certificate",
                "ssm:/fedbridge/prod/acme/idp-certificate-next",
            ),
            single_logout_service=SLO,
        )
        return replace(
            at,
            saml=replace(
                at.saml,
                provider=provider,
                signing_keys=(_certified("saml"),),
                decryption_keys=(_certified("saml-encryption"),),
            ),
            relying_parties=tuple(self._in_pool(party) for party in at.relying_parties),
        )

    def _in_pool(self, party: RelyingParty) -> RelyingParty:
        return with_ways_out(party, UserPool(id=self.pool, identity_provider="Acme"))

    # --- what people and providers do -----------------------------------------------------------------------------

    def sign_in_with_kms(self) -> None:
        """Sign in where client assertions are signed by KMS and ID tokens decrypted there, RSA and EC."""
        idp = self.idp
        assert idp is not None
        for kind, algorithm in TOKENS.values():

            def encrypted(_: Any, kind: str = kind, algorithm: str = algorithm) -> Any:
                return idp.token_answer(
                    id_token=encrypt(idp.id_token(), decryption_key(kind), algorithm, "A256GCM")
                )

            idp.answer_token(encrypted)
            self.take_tokens(Visitor(self, "bank").sign_in(), "bank")
        idp.answer_token(lambda _: idp.token_answer())

    def sign_in_and_out(self, name: str) -> None:
        """Sign in with a client secret, and out as the person, then as the provider: by browser, and by logout token."""
        person = Visitor(self, name)
        self.take_tokens(person.sign_in(), name)
        _expect(person.logout(), 302)
        self.take_tokens(Visitor(self, name).sign_in(), name)
        assert self.idp is not None
        session = {"iss": self.idp.issuer, "sid": SID}
        _expect(self.send("GET", FRONTCHANNEL_LOGOUT, name=name, query=session), 200)
        self.take_tokens(Visitor(self, name).sign_in(), name)
        token = logout_token(self.idp, jti=f"logout-of-{name}")
        _expect(self.send("POST", BACKCHANNEL_LOGOUT, name=name, form={"logout_token": token}), 200)

    def take_tokens(self, code: str, name: str) -> None:
        """Redeem the code, and read keys and userinfo, as Cognito does."""
        tokens = self.redeem(code, name=name)
        _expect(tokens, 200)
        _expect(self.send("GET", JWKS, name=name), 200)
        _expect(self.read_userinfo(tokens.json["access_token"], name=name), 200)

    def sign_in_and_out_by_saml(self) -> None:
        """Sign in with an encrypted assertion, out as the person; in again, out as the provider."""
        message = Message(authn={"SessionIndex": INDEX}, encrypt=GCM256)
        person = SignedIn(self).sign_in(message)
        _expect(person.leave(), 302)
        SignedIn(self).sign_in(message)
        _expect(self.slo(query=self.query(LogoutMessage())), 302)
        _expect(self.send("GET", "saml/metadata", name="acme"), 200)


def _certified(key: str) -> SamlKey:
    return SamlKey(key=f"kms:{ARN.format(key)}", certificate="ssm:/fedbridge/prod/acme/idp-certificate")


def _expect(answer: Answer, status: int) -> None:
    assert answer.status == status, answer


@contextmanager
def everybody_signs_in_and_out(parameters: Mapping[str, str]) -> Iterator[RecordedAws]:
    """Run it all, under these parameters of the template, and give the account with its journal."""
    with recorded_aws() as aws, pytest.MonkeyPatch.context() as environment:
        for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "eu-central-1"}.items():
            environment.setenv(name, value)
        gateway = PrivilegedGateway(aws, environment, parameters)
        gateway.sign_in_with_kms()
        for name in ("secret", "parameter"):
            gateway.sign_in_and_out(name)
        gateway.sign_in_and_out_by_saml()
        yield aws

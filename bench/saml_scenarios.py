"""Connections to a SAML identity provider by hand, and the keys of both ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication, Connection
from fedbridge.model.saml import AssertionPolicy, Saml, SamlKey, SamlProvider
from tests.support.client_certificates import self_signed
from tests.support.keys import private_pem

IDP = "https://idp.bank.example/saml"
SSO = "https://idp.bank.example/sso"
"""Its entityID, and where it takes AuthnRequests by Redirect; nothing is called there."""

IDP_KEY, DECRYPTION_KEY = "saml-idp.pem", "saml-decryption.pem"
"""Files of a world: the key that signs assertions, and the one that they are encrypted to."""

_CERTIFICATE = "fedbridge/bench/saml/idp-certificate"
_OURS = ("saml-signing", "saml-decryption")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlScenario:
    """A kind of sign-in at that provider. `floor` counts operations of `bench.floor` and `bench.saml_floor`."""

    name: str
    title: str
    floor: Mapping[str, int]
    encrypted: bool

    @property
    def entity_id(self) -> str:
        """The bridge's own at the provider."""
        return f"https://login.bank.example/{self.name}/saml/metadata"

    def connection(self, bank: Connection) -> Connection:
        """Return the connection with the relying parties of the bank's: signed AuthnRequests by Redirect, RSA-2048."""
        signing, decryption = (
            SamlKey(key=_reference(name), certificate=_reference(f"{name}-certificate")) for name in _OURS
        )
        return replace(
            bank,
            name=self.name,
            issuer=IDP,
            client_id=self.entity_id,
            protocol="saml",
            client_authentication=ClientAuthentication(),
            authorization=AuthorizationRequestProfile(),
            claims={claim: claim for claim in ("email", "name", "given_name", "family_name", "groups")},
            saml=Saml(
                provider=SamlProvider(
                    single_sign_on_service=SSO, certificates=(f"secretsmanager:{_CERTIFICATE}",)
                ),
                signing_keys=(signing,),
                decryption_keys=(decryption,) if self.encrypted else (),
                assertion=AssertionPolicy(encryption="required" if self.encrypted else "none"),
            ),
        )


# AuthnRequest and ID token signed.
_SIGNED = {"rs256_sign": 2, "xml_verify": 1}

SIGNED = SamlScenario(name="bank-saml", title="signed assertion", floor=_SIGNED, encrypted=False)
ENCRYPTED = SamlScenario(
    name="bank-saml-encrypted",
    title="signed and encrypted assertion",
    floor={**_SIGNED, "xml_decrypt": 1},
    encrypted=True,
)
SCENARIOS = {scenario.name: scenario for scenario in (SIGNED, ENCRYPTED)}


def make_keys(folder: Path) -> dict[str, str]:
    """Make the keys of both ends; writes what the provider needs to the folder, and returns the bridge's secrets by name."""
    idp, signing, decryption = (rsa.generate_private_key(65537, 2048) for _ in range(3))
    (folder / IDP_KEY).write_text(private_pem(idp))
    (folder / DECRYPTION_KEY).write_text(private_pem(decryption))
    made = {_CERTIFICATE: self_signed(idp)}
    for name, key in zip(_OURS, (signing, decryption), strict=True):
        made[_secret(name)] = private_pem(key)
        made[_secret(f"{name}-certificate")] = self_signed(key)
    return made


def _secret(name: str) -> str:
    return f"fedbridge/bench/saml/{name}"


def _reference(name: str) -> str:
    return f"secretsmanager:{_secret(name)}"

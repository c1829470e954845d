from dataclasses import replace

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.model.policies import MutualTls
from fedbridge.rp.calls import Calls
from fedbridge.rp.client_authentication import authenticate, choose_method
from fedbridge.rp.context import Context
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    SECRET_REFERENCE,
    FakeIdp,
    KeySigner,
    connection,
    private_key,
)

ALL = ("client_secret_post", "client_secret_basic", "client_secret_jwt", "private_key_jwt")
SHORT = "s" * 31


def context(idp=None, offered=ALL, signing=(), *, secret_value=None, **authentication):
    idp = idp or FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    if secret_value is not None:
        idp.secrets.values[SECRET_REFERENCE] = secret_value
    return Context(
        connection=connection(client_authentication=ClientAuthentication(**authentication)),
        metadata=ProviderMetadata(
            issuer=ISSUER,
            authorization_endpoint=f"{ISSUER}/a",
            token_endpoint=f"{ISSUER}/t",
            jwks_uri=f"{ISSUER}/k",
            token_endpoint_auth_methods_supported=offered,
            token_endpoint_auth_signing_alg_values_supported=signing,
        ),
        deadline=Deadline.after(20),
        calls=Calls(idp.http, idp.telemetry, keys=idp.keys, clock=idp.clock),
        keys=idp.keys,
        secrets=idp.secrets,
        clock=idp.clock,
    )


@pytest.mark.parametrize(
    ("offered", "means", "chosen"),
    [
        (ALL, {"key": KEY_REFERENCE, "secret": SECRET_REFERENCE}, "private_key_jwt"),
        (ALL, {"secret": SECRET_REFERENCE}, "client_secret_jwt"),
        (("client_secret_post", "client_secret_basic"), {"secret": SECRET_REFERENCE}, "client_secret_basic"),
        (("client_secret_post",), {"secret": SECRET_REFERENCE}, "client_secret_post"),
        (ALL[:3], {"key": KEY_REFERENCE, "secret": SECRET_REFERENCE}, "client_secret_jwt"),
        (("none", "tls_client_auth", "private_key_jwt"), {"key": KEY_REFERENCE}, "private_key_jwt"),
    ],
)
def test_auto_takes_the_strongest_that_both_sides_have(offered, means, chosen):
    assert choose_method(context(offered=offered, **means)) == chosen


MUTUAL_TLS = MutualTls(certificate="env:CERTIFICATE", key="env:TLS_KEY")
TLS = ("tls_client_auth", "self_signed_tls_client_auth")


@pytest.mark.parametrize(
    ("offered", "means", "chosen"),
    [
        ((*TLS, *ALL), {"key": KEY_REFERENCE}, "private_key_jwt"),
        ((*TLS, *ALL), {"secret": SECRET_REFERENCE}, "tls_client_auth"),
        (TLS, {}, "tls_client_auth"),
        (("client_secret_post",), {"secret": SECRET_REFERENCE}, "client_secret_post"),
    ],
)
def test_auto_takes_a_certificate_where_there_is_one(offered, means, chosen):
    given = context(offered=offered, **means)
    certified = replace(given, connection=replace(given.connection, mutual_tls=MUTUAL_TLS))
    assert choose_method(certified) == chosen


@pytest.mark.parametrize("offered", [TLS, TLS[:1], TLS[1:]])
def test_auto_takes_no_method_of_mutual_tls_without_a_certificate(offered):
    with pytest.raises(ConfigurationError):
        choose_method(context(offered=offered, secret=SECRET_REFERENCE, key=KEY_REFERENCE))


def test_auto_does_not_take_a_self_signed_certificate_that_nobody_knows():
    given = context(offered=TLS[1:], secret=SECRET_REFERENCE)
    with pytest.raises(ConfigurationError):
        choose_method(replace(given, connection=replace(given.connection, mutual_tls=MUTUAL_TLS)))


@pytest.mark.parametrize("method", TLS)
def test_the_methods_of_mutual_tls_need_a_certificate(method):
    with pytest.raises(ConfigurationError, match="acme: the method needs mutual_tls"):
        authenticate(context(method=method), f"{ISSUER}/t", {})


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({"secret_value": SHORT}, "client_secret_basic"),
        ({"signing": ("RS256", "PS256")}, "client_secret_basic"),
        ({"signing": ("RS256", "HS256")}, "client_secret_jwt"),
        ({"signing": ("HS256",), "algorithm": "HS512"}, "client_secret_basic"),
        ({"signing": ("HS512",), "algorithm": "HS512"}, "client_secret_jwt"),
        ({"algorithm": "RS256"}, "client_secret_basic"),
    ],
)
def test_auto_signs_with_a_secret_only_where_that_can_work(fields, chosen):
    assert choose_method(context(secret=SECRET_REFERENCE, **fields)) == chosen


@pytest.mark.parametrize(
    ("offered", "means"),
    [
        (ALL, {}),
        (("client_secret_basic",), {"key": KEY_REFERENCE}),
        (("private_key_jwt",), {"secret": SECRET_REFERENCE}),
        (("none",), {"key": KEY_REFERENCE, "secret": SECRET_REFERENCE}),
        ((), {"key": KEY_REFERENCE, "secret": SECRET_REFERENCE}),
    ],
)
def test_auto_says_what_is_missing(offered, means):
    with pytest.raises(ConfigurationError) as failure:
        choose_method(context(offered=offered, **means))
    assert failure.value.reason == "client_authentication_unavailable"
    assert "acme" in str(failure.value)


@pytest.mark.parametrize("method", ALL)
def test_a_named_method_is_taken_whatever_the_metadata_say(method):
    assert choose_method(context(offered=(), method=method)) == method


@pytest.mark.parametrize("method", ALL)
def test_a_method_without_its_means_is_a_configuration_error(method):
    with pytest.raises(ConfigurationError, match="acme"):
        authenticate(context(method=method), f"{ISSUER}/t", {})


@pytest.mark.parametrize(("algorithm", "length"), [("HS256", 31), ("HS384", 47), ("HS512", 63)])
def test_a_secret_shorter_than_the_hash_signs_nothing(algorithm, length):
    def attempt(secret):
        given = context(
            method="client_secret_jwt", secret=SECRET_REFERENCE, algorithm=algorithm, secret_value=secret
        )
        return authenticate(given, f"{ISSUER}/t", {})

    assert attempt("s" * (length + 1)).form["client_assertion"]
    with pytest.raises(ConfigurationError) as failure:
        attempt("s" * length)
    assert failure.value.reason == "client_secret_too_short"
    assert "s" * length not in str(failure.value)


def test_client_secret_jwt_signs_with_hmac_alone():
    with pytest.raises(ConfigurationError):
        authenticate(
            context(method="client_secret_jwt", secret=SECRET_REFERENCE, algorithm="RS256"), f"{ISSUER}/t", {}
        )


def test_raw_basic_cannot_carry_a_colon_in_the_client_id():
    given = context(method="client_secret_basic", secret=SECRET_REFERENCE, basic_encoding="raw")
    authenticate(given, f"{ISSUER}/t", {})
    with pytest.raises(ConfigurationError, match="basic_encoding"):
        authenticate(
            Context(
                connection=connection(
                    client_id="a:b", client_authentication=given.connection.client_authentication
                ),
                metadata=given.metadata,
                deadline=given.deadline,
                calls=given.calls,
                keys=given.keys,
                secrets=given.secrets,
                clock=given.clock,
            ),
            f"{ISSUER}/t",
            {},
        )

"""The emulated account comes up on loopback alone, federates, and verifies as little as its description says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.counterparts.browser import TripError, new_browser
from tests.counterparts.cognito_configuration import Endpoints, OidcIdentityProvider
from tests.counterparts.faults import AuthorizationError, Fault, IdTokenTampering
from tests.counterparts.federated_pool import FederatedPool, PoolError
from tests.counterparts.ministack import (
    ACCOUNT,
    REGION,
    MiniStack,
    ministack_or_skip_reason,
)
from tests.counterparts.oidc_provider import (
    ALICE,
    Client,
    OidcProvider,
)

SECRET = "secret" * 8
DOMAINS = [None, "acme"]


@pytest.fixture(scope="module")
def aws() -> Iterator[MiniStack]:
    with MiniStack() as aws:
        yield aws


@pytest.fixture(scope="module")
def running_op(aws: MiniStack) -> Iterator[OidcProvider]:
    registered = Client(
        client_id="cognito",
        client_secret=SECRET,
        redirect_uris=[aws.redirect_uri(domain) for domain in DOMAINS],
        token_endpoint_auth_method="client_secret_post",
    )
    with OidcProvider(
        clients=[registered], require_pkce=False, require_nonce=False, claims_in_id_token=True
    ) as op:
        yield op


@pytest.fixture
def op(running_op: OidcProvider) -> Iterator[OidcProvider]:
    running_op.clear_journal()
    yield running_op
    running_op.clear_faults()


@pytest.fixture(scope="module")
def pool(aws: MiniStack, running_op: OidcProvider) -> FederatedPool:
    return aws.create_federated_pool(provider(running_op))


def provider(op: OidcProvider) -> OidcIdentityProvider:
    return OidcIdentityProvider(name="Bank", client_id="cognito", client_secret=SECRET, oidc_issuer=op.issuer)


def manual(op: OidcProvider) -> Endpoints:
    return Endpoints(
        authorize_url=op.endpoint("authorize"),
        token_url=op.endpoint("token"),
        attributes_url=op.endpoint("userinfo"),
        jwks_uri=op.endpoint("jwks"),
    )


@pytest.fixture
def browser(pool: FederatedPool) -> Iterator[httpx.Client]:
    with new_browser(origins=pool.origins) as browser:
        yield browser


@pytest.mark.ministack
@pytest.mark.interop
def test_a_pool_found_by_issuer_signs_in(
    op: OidcProvider, pool: FederatedPool, browser: httpx.Client
) -> None:
    signed_in = pool.sign_in(browser)
    assert signed_in.claims["cognito:username"] == f"Bank_{ALICE.sub}", "the emulator does not lower-case it"
    assert signed_in.claims["email"] == "alice@example.com"
    assert signed_in.trip.url.startswith(pool.app_callback)
    (token_request,) = op.journal("token")
    assert set(token_request.form) == {"grant_type", "code", "redirect_uri", "client_id", "client_secret"}
    assert op.count("discovery") > 0
    assert (op.count("jwks"), op.count("userinfo")) == (0, 0), "the emulator's gaps"


@pytest.mark.ministack
@pytest.mark.interop
def test_a_pool_with_a_domain_and_manual_endpoints_signs_in(aws: MiniStack, op: OidcProvider) -> None:
    pool = aws.create_federated_pool(replace(provider(op), endpoints=manual(op)), domain="acme")
    assert pool.redirect_uri == "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"
    assert pool.redirect_uri == aws.redirect_uri("acme")
    with new_browser(origins=pool.origins) as browser:
        assert pool.sign_in(browser).claims["email"] == "alice@example.com"
    assert op.count("discovery") == 0
    assert op.journal("authorization")[0].query["redirect_uri"] == pool.redirect_uri


@pytest.mark.ministack
@pytest.mark.interop
def test_errors_end_the_trip(op: OidcProvider, pool: FederatedPool, browser: httpx.Client) -> None:
    op.set_fault("authorization", Fault(error=AuthorizationError("access_denied")))
    with pytest.raises(TripError, match="missing `code`"):
        pool.sign_in(browser)
    with pytest.raises(PoolError, match="invalid_grant"):
        pool.redeem("no such code")


@pytest.mark.ministack
@pytest.mark.interop
def test_it_takes_an_unsigned_token_which_is_why_cognito_is_simulated(
    op: OidcProvider, pool: FederatedPool, browser: httpx.Client
) -> None:
    op.set_fault(
        "token", Fault(id_token=IdTokenTampering(key="none", claims={"email": "mallory@example.com"}))
    )
    assert pool.sign_in(browser).claims["email"] == "mallory@example.com"


@pytest.mark.ministack
def test_the_account_has_what_the_product_uses(aws: MiniStack) -> None:
    kms = aws.client("kms")
    key = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert key["Arn"].startswith(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/")
    digest = hashlib.sha256(b"message").digest()
    signature = kms.sign(
        KeyId=key["Arn"], Message=digest, MessageType="DIGEST", SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256"
    )["Signature"]
    public = load_der_public_key(kms.get_public_key(KeyId=key["Arn"])["PublicKey"])
    assert isinstance(public, RSAPublicKey)
    public.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name="fedbridge/test/x", SecretString="value")
    assert secrets.get_secret_value(SecretId="fedbridge/test/x")["SecretString"] == "value"


@pytest.mark.ministack
def test_it_listens_on_loopback_alone(aws: MiniStack) -> None:
    port = f":{httpx.URL(aws.url).port:04X}"
    listening = {
        address
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for _, address, _, state, *_ in (line.split() for line in Path(table).read_text().splitlines()[1:])
        if state == "0A" and address.endswith(port)
    }
    assert listening == {f"0100007F{port}"}


@pytest.mark.ministack
def test_behind_another_server_its_pools_speak_of_that_ones_address() -> None:
    unreachable = OidcIdentityProvider(
        name="Bank",
        client_id="cognito",
        client_secret=SECRET,
        oidc_issuer="http://localhost:9/idp",
        endpoints=Endpoints(
            **dict.fromkeys(
                ("authorize_url", "token_url", "attributes_url", "jwks_uri"), "http://localhost:9/idp"
            )
        ),
    )
    with MiniStack(front="http://localhost:9") as aws:
        pool = aws.create_federated_pool(unreachable)
        assert pool.redirect_uri == aws.redirect_uri() == "http://localhost:9/oauth2/idpresponse"
        url = pool.sign_in_url().replace(pool.base_url, pool.local_url)
        sent_on = httpx.URL(httpx.get(url, trust_env=False).headers["location"])
        assert sent_on.params["redirect_uri"] == pool.redirect_uri


@pytest.mark.ministack
def test_it_ends_with_whoever_started_it() -> None:
    with MiniStack() as aws:
        stdin = aws._program._process.stdin
        assert stdin is not None
        stdin.close()
        assert aws._program.wait(30) == 0


def test_the_reason_to_skip_says_what_is_missing(tmp_path: Path) -> None:
    assert (
        ministack_or_skip_reason(tmp_path / ".venv-ministack")
        == "no .venv-ministack: run make .venv-ministack"
    )
    python = tmp_path / ".venv-empty" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert ministack_or_skip_reason(tmp_path / ".venv-empty") == "ministack is not installed in .venv-empty"
    (app := tmp_path / ".venv-empty/lib/python3.13/site-packages/ministack/app.py").parent.mkdir(parents=True)
    app.touch()
    ministack_or_skip_reason.cache_clear()
    assert ministack_or_skip_reason(tmp_path / ".venv-empty") == python

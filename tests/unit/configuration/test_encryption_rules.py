import pytest

from fedbridge.configuration.encryption_rules import encryption_problems
from fedbridge.configuration.urls import Allowed
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    IdTokenPolicy,
    UserinfoPolicy,
)
from fedbridge.model.policies import (
    CONTENT_ENCRYPTION_ALGORITHMS,
    KEY_ENCRYPTION_ALGORITHMS,
    AuthorizationResponsePolicy,
    MutualTls,
    RequestObject,
    TokenDecryption,
)
from tests.unit.rp.idp import connection

ARN = "kms:arn:aws:kms:eu-north-1:111122223333:key/0d2c4a6e-8b1f-4c3d-9e5a-7f6b8c9d0e1f"
KEY = "secretsmanager:fedbridge/prod/acme/decryption"
ENCRYPTED = IdTokenPolicy(encryption="required")


def problems(policy=None, local=False, **fields):
    at = connection(**{"id_token": ENCRYPTED, **fields}, token_decryption=policy)
    return [f"{problem.path}: {problem.message}" for problem in encryption_problems(at, Allowed(local=local))]


def about(local=False, **policy):
    """Return the problems of a policy, paths below it."""
    found = problems(TokenDecryption(**{"keys": (KEY,), **policy}), local=local)
    assert all(problem.startswith("token_decryption.") for problem in found)
    return [problem.removeprefix("token_decryption.") for problem in found]


ENCRYPTING = [
    ("id_token.encryption", {"id_token": IdTokenPolicy(encryption="required")}),
    ("id_token.encryption", {"id_token": IdTokenPolicy(encryption="optional")}),
    ("userinfo.format", {"userinfo": UserinfoPolicy(format="jwe")}),
    ("userinfo.format", {"userinfo": UserinfoPolicy(format="jws_or_jwe")}),
    (
        "authorization_response.encryption",
        {"authorization_response": AuthorizationResponsePolicy(encryption="required")},
    ),
    (
        "authorization_response.encryption",
        {"authorization_response": AuthorizationResponsePolicy(encryption="optional")},
    ),
]


@pytest.mark.parametrize("path,fields", ENCRYPTING)
def test_whatever_comes_encrypted_needs_keys(path, fields):
    fields = {"id_token": IdTokenPolicy(), **fields}

    assert problems(**fields) == [f"{path}: needs token_decryption: the keys to encrypt to"]
    assert problems(TokenDecryption(keys=(KEY,)), **fields) == []


def test_a_plain_connection_has_no_problem():
    plain = {"id_token": IdTokenPolicy(), "userinfo": UserinfoPolicy(format="jws")}

    assert problems(**plain) == []


def test_keys_that_nothing_is_encrypted_to():
    (problem,) = problems(TokenDecryption(keys=(KEY,)), id_token=IdTokenPolicy())

    assert problem.startswith("token_decryption: is not used: nothing is encrypted by id_token.encryption")


@pytest.mark.parametrize("algorithm", KEY_ENCRYPTION_ALGORITHMS)
def test_every_algorithm_may_be_the_only_one(algorithm):
    assert about(algorithms=(algorithm,)) == []


@pytest.mark.parametrize("algorithm", CONTENT_ENCRYPTION_ALGORITHMS)
def test_every_content_encryption_may_be_the_only_one(algorithm):
    assert about(content_encryption=(algorithm,)) == []


@pytest.mark.parametrize(
    "algorithm",
    [
        "RSA1_5", "dir", "A128KW", "A256KW", "A256GCMKW", "PBES2-HS256+A128KW", "ECDH-1PU", "RSA-OAEP-384", "rsa-oaep",
        "none", "",
    ],
)  # fmt: skip
def test_other_algorithms_cannot_be_named(algorithm):
    known = ", ".join(KEY_ENCRYPTION_ALGORITHMS)

    assert about(algorithms=("RSA-OAEP", algorithm)) == [f"algorithms[1]: must be one of {known}"]


@pytest.mark.parametrize("algorithm", ["A192GCM", "A192CBC-HS384", "A128CBC", "C20P", "", "a256gcm"])
def test_other_content_encryptions_cannot_be_named(algorithm):
    known = ", ".join(CONTENT_ENCRYPTION_ALGORITHMS)

    assert about(content_encryption=(algorithm,)) == [f"content_encryption[0]: must be one of {known}"]


@pytest.mark.parametrize(
    "policy,problem",
    [
        ({"algorithms": ()}, "algorithms: must name at least one algorithm"),
        ({"content_encryption": ()}, "content_encryption: must name at least one algorithm"),
        ({"algorithms": ("RSA-OAEP", "RSA-OAEP")}, "algorithms[1]: is there twice"),
        ({"content_encryption": ("A128GCM", "A128GCM")}, "content_encryption[1]: is there twice"),
        ({"keys": ()}, "keys: must name at least one key, which is published"),
        ({"keys": (KEY, KEY)}, "keys[1]: is the same key as keys[0]"),
        ({"retired_keys": (KEY,)}, "retired_keys[0]: is the same key as keys[0]"),
        ({"keys": ("-----BEGIN PRIVATE KEY-----",)}, "keys[0]: must be a reference"),
        (
            {"keys": ("env:KEY",)},
            "keys[0]: must be one of secretsmanager:, ssm:, kms:; env: is for local runs",
        ),
        ({"retired_keys": ("file:key.pem",)}, "retired_keys[0]: must be one of secretsmanager:"),
        ({"keys": (ARN.replace(":key/", ":alias/"),)}, "keys[0]: must be kms: and the ARN of a key"),
        ({"keys": tuple(f"{KEY}-{i}" for i in range(5))}, "keys: must be at most 4"),
        ({"retired_keys": tuple(f"{KEY}-{i}" for i in range(5))}, "retired_keys: must be at most 4"),
    ],
)
def test_keys_and_algorithms_that_cannot_be(policy, problem):
    (found,) = about(**policy)

    assert found.startswith(problem)


def test_keys_that_can_be():
    assert about(keys=(KEY, ARN, "ssm:/fedbridge/prod/key"), retired_keys=(f"{KEY}#old",)) == []
    assert about(keys=("env:KEY", "file:keys/key.pem"), local=True) == []


@pytest.mark.parametrize(
    "fields,path",
    [
        ({"client_authentication": ClientAuthentication(key=KEY)}, "client_authentication.key"),
        (
            {"client_authentication": ClientAuthentication(key=ARN, retired_keys=(KEY,))},
            "client_authentication.retired_keys[0]",
        ),
        (
            {"authorization": AuthorizationRequestProfile(request_object=RequestObject(key=KEY))},
            "authorization.request_object.key",
        ),
        ({"mutual_tls": MutualTls(certificate="ssm:/c", key=KEY)}, "mutual_tls.key"),
    ],
)
def test_a_key_that_signs_does_not_decrypt(fields, path):
    assert problems(TokenDecryption(keys=(KEY,)), **fields) == [
        f"token_decryption.keys[0]: is {path} as well: one key, one use"
    ]
    retired = TokenDecryption(keys=(f"{KEY}-2",), retired_keys=(KEY,))
    assert problems(retired, **fields) == [
        f"token_decryption.retired_keys[0]: is {path} as well: one key, one use"
    ]

"""A canned AWS endpoint: DynamoDB with real items and conditions, KMS with a real key, Secrets Manager with fixed values.

`python -m bench.aws_endpoint` reads one line of JSON (`tables`: name → partition key, `secrets`: name → value, `keys`:
KMS ARN → PEM) and prints its port. It counts every call by service, table and operation. `/bench/…` is for the bench alone.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bench.dynamodb import ServiceError, Table
from bench.loopback import Handler, Request, Response, serve

_SERVICES = {
    "DynamoDB_20120810": "dynamodb",
    "TrentService": "kms",
    "secretsmanager": "secretsmanager",
}
"""`X-Amz-Target` begins with one of these."""


class Endpoint:
    """The services over one state."""

    def __init__(
        self, tables: Mapping[str, str], secrets: Mapping[str, str], keys: Mapping[str, str]
    ) -> None:
        self.tables = {name: Table(key) for name, key in tables.items()}
        self.secrets = dict(secrets)
        self.keys = {arn: _private_key(pem) for arn, pem in keys.items()}
        self.calls: Counter[str] = Counter()
        self.operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "dynamodb:GetItem": lambda request: self._table(request).get(request),
            "dynamodb:PutItem": lambda request: self._table(request).put(request),
            "dynamodb:UpdateItem": lambda request: self._table(request).update(request),
            "kms:GetPublicKey": self._public_key,
            "kms:Sign": self._sign,
            "secretsmanager:GetSecretValue": self._secret_value,
            "secretsmanager:GetRandomPassword": lambda _: {"RandomPassword": "q3Zt" * 16},
        }

    def __call__(self, request: Request) -> Response:
        """Answer one request, of an SDK or of the bench."""
        if request.path.startswith("/bench/"):
            return Response(json.dumps(self._bench(request)).encode())
        name = named(request)
        asked = json.loads(request.body)
        service, _, operation = name.partition(":")
        table = f"{asked['TableName']}:" if "TableName" in asked else ""
        self.calls[f"{service}:{table}{operation}"] += 1
        try:
            answer = self._answer(name, request, asked)
        except ServiceError as error:
            return refused(error.name, str(error), **error.members)
        return _response(answer)

    def _answer(self, name: str, request: Request, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        operation = self.operations.get(name)
        if operation is None:
            raise ServiceError("UnknownOperationException", name)
        if "AWS4-HMAC-SHA256" not in request.headers.get("authorization", ""):
            raise ServiceError(
                "MissingAuthenticationTokenException", "Request is missing Authentication Token"
            )
        return operation(asked)

    def _table(self, request: Mapping[str, Any]) -> Table:
        try:
            return self.tables[request["TableName"]]
        except KeyError:
            raise ServiceError("ResourceNotFoundException", "Requested resource not found") from None

    def _key(self, request: Mapping[str, Any]) -> RSAPrivateKey:
        try:
            return self.keys[request["KeyId"]]
        except KeyError:
            raise ServiceError("NotFoundException", "Key does not exist") from None

    def _public_key(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        der = self._key(request).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "KeyId": request["KeyId"],
            "PublicKey": base64.b64encode(der).decode(),
            "KeySpec": "RSA_2048",
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": ["RSASSA_PKCS1_V1_5_SHA_256"],
        }

    def _sign(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if request["MessageType"] != "DIGEST" or request["SigningAlgorithm"] != "RSASSA_PKCS1_V1_5_SHA_256":
            raise ServiceError("ValidationException", "only digests, only RSASSA_PKCS1_V1_5_SHA_256")
        digest = base64.b64decode(request["Message"])
        signature = self._key(request).sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        return {"KeyId": request["KeyId"], "Signature": base64.b64encode(signature).decode()}

    def _secret_value(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        name = request["SecretId"]
        if name not in self.secrets:
            raise ServiceError(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            )
        return {
            "ARN": f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-a1b2c3",
            "Name": name,
            "SecretString": self.secrets[name],
            "VersionId": "8a1c1e0e-6b0a-4d8e-9d0b-0c6a1f8f8a11",
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": time.time(),
        }

    def _bench(self, request: Request) -> Any:
        """Answer the bench's own questions: what was called, how large the items are; or take items in bulk."""
        match request.path.removeprefix("/bench/"):
            case "calls":
                return self.calls
            case "tables":
                return {
                    name: {"largest": table.largest, "write_units": table.write_units}
                    for name, table in self.tables.items()
                }
            case "fill":
                bulk = json.loads(request.body)
                like = self.tables[bulk["table"].partition("-")[0]]
                table = self.tables.setdefault(bulk["table"], Table(like.key))
                table.items |= {item[table.key]["S"]: item for item in bulk["items"]}
                return len(table.items)
        raise ValueError(request.path)


def named(request: Request) -> str:
    """Return the operation that an SDK asks for, `dynamodb:GetItem`; without meaning for a question of the bench."""
    service, _, operation = request.headers.get("x-amz-target", "").partition(".")
    return f"{_SERVICES.get(service, service)}:{operation}"


def refused(name: str, message: str, **members: Any) -> Response:
    """Return an error as the JSON protocols of AWS have it."""
    return _response({"__type": name, "message": message, **members}, 400)


def _response(answer: Mapping[str, Any], status: int = 200) -> Response:
    headers = {"server": "Server", "connection": "keep-alive", "x-amzn-requestid": str(uuid.uuid4())}
    return Response(json.dumps(answer).encode(), status, "application/x-amz-json-1.1", headers)


def _private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)  # noqa: S101  the bench made it
    return key


def _made(endpoint: Endpoint, _port: int) -> Handler:
    return endpoint


if __name__ == "__main__":
    serve(partial(_made, Endpoint(**json.loads(sys.stdin.readline()))))

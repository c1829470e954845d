"""The stand-in's `/token`: the key is fetched and imported, an assertion signed, and the code redeemed upstream."""

import base64
import http.client
import json
import os
import time
import urllib.parse
from typing import Any

import boto3
import jwt
from jwt.algorithms import RSAAlgorithm

DYNAMODB = boto3.client("dynamodb")
SECRETS = boto3.client("secretsmanager", region_name=os.environ.get("AWS_REGION"))


def handler(event: dict[str, Any], context: Any) -> str | dict[str, Any]:  # noqa: ARG001  Lambda's signature
    """Answer Cognito with what the identity provider answers."""
    body = base64.b64decode(event["body"]).decode("utf-8")
    params = dict(item.split("=") for item in body.split("&"))
    client = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
    if (params["client_id"], params["client_secret"]) != client:
        return {"statusCode": 400}
    found = DYNAMODB.get_item(TableName=os.environ["CODE_TABLE"], Key={"auth_code": {"S": params["code"]}})
    secret = SECRETS.get_secret_value(SecretId=os.environ["PRIVATE_KEY_SECRET"])["SecretString"]
    jwk = json.loads(secret)
    key: Any = RSAAlgorithm.from_jwk(jwk)
    host, path = os.environ["IDP_HOST"], os.environ["IDP_TOKEN_PATH"]
    now = int(time.time())
    claims = {
        "iss": params["client_id"],
        "sub": params["client_id"],
        "aud": f"https://{host}{path}",
        "iat": now,
        "exp": now + 300,
    }
    params["client_assertion"] = jwt.encode(claims, key, algorithm="RS256", headers={"kid": jwk["kid"]})
    params["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    params["grant_type"] = "authorization_code"
    params["redirect_uri"] = os.environ["CALLBACK_URI"]
    params["code_verifier"] = found["Item"]["code_verifier"]["S"]
    params.pop("client_secret")
    connection = http.client.HTTPSConnection(host)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, urllib.parse.urlencode(params), headers)
    return connection.getresponse().read().decode("utf-8")

"""The stand-in's `/authorize`: a code verifier, remembered under the hash of Cognito's state."""

import base64
import hashlib
import json
import os
import time
import urllib.parse
from typing import Any

import boto3

SECRETS = boto3.client("secretsmanager")
DYNAMODB = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda's signature
    """Send the browser to the identity provider."""
    params = event["queryStringParameters"]
    if params["client_id"] != os.environ["CLIENT_ID"]:
        return {"statusCode": 400}
    password = SECRETS.get_random_password(PasswordLength=64, ExcludePunctuation=True, IncludeSpace=False)
    verifier = password["RandomPassword"]
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().replace("=", "")
    DYNAMODB.put_item(
        TableName=os.environ["STATE_TABLE"],
        Item={
            "state": {"S": hashlib.sha256(params["state"].encode()).hexdigest()},
            "code_verifier": {"S": verifier},
            "ttl": {"N": str(int(time.time()) + 300)},
        },
    )
    params["code_challenge"] = challenge
    params["code_challenge_method"] = "S256"
    params["redirect_uri"] = os.environ["CALLBACK_URI"]
    url = os.environ["IDP_AUTHORIZE_URL"] + "?" + urllib.parse.urlencode(params)
    return {"statusCode": 302, "body": json.dumps({}), "headers": {"Location": url}}

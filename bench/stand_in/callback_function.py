"""The stand-in's `/callback`: the verifier moves from the state table to the code table."""

import hashlib
import json
import os
import time
import urllib.parse
from typing import Any

import boto3

DYNAMODB = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda's signature
    """Send the browser back to Cognito with the identity provider's own code."""
    params = event["queryStringParameters"]
    if not (params["state"] and params["code"]):
        return {"statusCode": 400}
    hashed = hashlib.sha256(params["state"].encode()).hexdigest()
    found = DYNAMODB.get_item(TableName=os.environ["STATE_TABLE"], Key={"state": {"S": hashed}})
    DYNAMODB.put_item(
        TableName=os.environ["CODE_TABLE"],
        Item={
            "auth_code": {"S": params["code"]},
            "code_verifier": {"S": found["Item"]["code_verifier"]["S"]},
            "ttl": {"N": str(int(time.time()) + 300)},
        },
    )
    url = os.environ["COGNITO_RESPONSE_URI"] + "?" + urllib.parse.urlencode(params)
    return {"statusCode": 302, "body": json.dumps({}), "headers": {"Location": url}}

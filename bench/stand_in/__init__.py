"""A stand-in for the AWS sample's three functions (aws-samples/cognito-external-idp-proxy, with PKCE): the same work.

Written anew after what the sample does for each request, and nothing more: SDK clients made once with boto3's defaults,
a code verifier from Secrets Manager, state and code tables that are written and read, and at the token endpoint the
private key fetched and imported, an assertion signed by a JWT library, and one POST over a new TLS connection with a
context of its own. Where the sample prints, this is silent, which favours it. Only what keeps it from running anywhere
but on its own deployment is left out.

Each module is a Lambda function on its own: it imports nothing of this repository.
"""

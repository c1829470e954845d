"""Lambda triggers of a Cognito user pool: linking federated users to native profiles, and groups of the IdP in tokens."""

"""Towards Cognito: fedbridge as an OpenID Provider."""

"""fedbridge: an OpenID Connect bridge between Amazon Cognito user pools and strict identity providers."""

__version__ = "0.1.0"

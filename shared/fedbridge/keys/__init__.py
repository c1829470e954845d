"""Adapters for keys: local JWK and PEM, Secrets Manager, AWS KMS."""

"""Towards the enterprise's IdP: fedbridge as a relying party and OAuth 2.0 client."""

"""Adapters for the network: the outbound HTTP client and API Gateway events."""

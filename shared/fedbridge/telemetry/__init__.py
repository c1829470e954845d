"""Adapters for logs and metrics."""

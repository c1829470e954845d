"""Claim mapping and normalization."""

"""Connections: from `connections.yaml` by `configuration.file.load`, from the published document by `decode`.

This module and what it imports use the standard library alone, because the back channel decodes at every cold start.
"""

from fedbridge.configuration.document import decode, encode, version_of

__all__ = ["decode", "encode", "version_of"]

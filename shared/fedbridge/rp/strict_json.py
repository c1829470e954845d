"""`fedbridge.strict_json` under the name that most of this package knows it by."""

from fedbridge.strict_json import MAX_DEPTH, InvalidJson, decode, decode_object

__all__ = ["MAX_DEPTH", "InvalidJson", "decode", "decode_object"]

"""The crypto floor: CPU of what a protocol demands, by raw `cryptography` and nothing around it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from statistics import median

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

PLAIN: Mapping[str, int] = {"rs256_sign": 2, "rs256_verify": 1}
"""A plain sign-in: client assertion and ID token signed, the identity provider's ID token verified."""


def operations() -> dict[str, Callable[[], object]]:
    """Return each operation, ready to run: RSA keys have 2,048 bits, EC keys are on P-256."""
    key, data = rsa.generate_private_key(65537, 2048), os.urandom(600)
    public, pkcs1 = key.public_key(), (padding.PKCS1v15(), hashes.SHA256())
    signature = key.sign(data, *pkcs1)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    wrapped = public.encrypt(os.urandom(32), oaep)
    curve, mine = ec.SECP256R1(), ec.generate_private_key(ec.SECP256R1())
    theirs, ecdsa = ec.generate_private_key(curve).public_key(), ec.ECDSA(hashes.SHA256())
    return {
        "rs256_sign": lambda: key.sign(data, *pkcs1),
        "rs256_verify": lambda: public.verify(signature, data, *pkcs1),
        "rsa_decrypt": lambda: key.decrypt(wrapped, oaep),
        "p256_generate": lambda: ec.generate_private_key(curve),
        "es256_sign": lambda: mine.sign(data, ecdsa),
        "p256_agree": lambda: mine.exchange(ec.ECDH(), theirs),
    }


def measure(work: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Return CPU seconds of each operation, medians of so many."""
    return {name: _median_cpu(operation, times) for name, operation in work.items()}


def total(took: Mapping[str, float], *counts: Mapping[str, int]) -> float:
    """Return CPU seconds of so many of each operation."""
    return sum(took[name] * times for count in counts for name, times in count.items())


def _median_cpu(work: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return median(took)

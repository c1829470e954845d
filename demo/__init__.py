"""`make demo`: a user pool, the bridge and a strict bank on loopback, with a record of every hop of a sign-in."""

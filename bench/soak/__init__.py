"""Sign-ins at a steady rate for half an hour, while one thing after the other breaks and mends.

`make soak` writes build/soak.md. The functions run as on Lambda: one invocation at a time in a sandbox, a process of its own, and as
many sandboxes as are needed at once. What they meet are the bench's canned provider and AWS, behind switches for faults.
"""

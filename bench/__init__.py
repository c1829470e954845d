"""What a sign-in takes, held against the budgets: `make bench`, or `python -m bench`.

Everything runs on loopback. AWS is a canned endpoint (`aws_endpoint`) that keeps items and evaluates conditions, the
identity provider a canned TLS server (`identity_provider`), each a process of its own, so that what is measured is the
work of the functions and nothing else. Machines are noisy: what is held against a budget is a count, a ratio of two
medians of one and the same run, or CPU time of the process that does the work.
"""

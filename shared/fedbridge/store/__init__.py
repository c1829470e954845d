"""Adapters for transactions and connections: DynamoDB, SQLite, memory, file."""

"""What operators see: log lines and metrics by an allow-list (`events`), written by Powertools (`powertools`)."""

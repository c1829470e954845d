"""The operator's command and local runs, never packaged for Lambda."""

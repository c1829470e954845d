"""A serverless bridge between Amazon Cognito user pools and strict identity providers."""

"""From the claims that an identity provider sent to an identity that Cognito can take."""

"""Every code that the check of Cognito's side can report. docs/check.md has the same table."""

from __future__ import annotations

from fedbridge.cli.check.advice import Advice, Catalogue

_POOL, _PROVIDER, _MAPPING = "the user pool", "the pool's identity provider", "attribute mapping"
_CLIENT, _DOMAIN, _AUTHORIZER = "app clients", "the pool's domain", "JWT authorizer"
_APPLY = "`fedbridge cognito apply` shows the difference and sets it right."
_FAILS = "Every sign-in through this pool fails."

CODES = Catalogue({
    "cognito_unreadable": Advice(
        "unknown", _POOL, "Cognito's side could not be looked at.",
        "Give credentials that may read user pools (cognito-idp:Describe*, List*), and check again.",
    ),
    "user_pool_missing": Advice(
        "error", _POOL, "There is nobody to sign in to.",
        "Correct the id, or the credentials: those of another account do not see the pool.",
    ),
    "subjects_case": Advice(
        "error", _POOL, "Two people whose subjects differ in case alone become one user.",
        "Remove case_sensitive_pool from the connection: this pool does not tell capitals from small letters.",
    ),
    "subjects_case_unused": Advice(
        "warning", _POOL, "People whose subject has capitals are refused (subject_not_representable), without need.",
        "Set case_sensitive_pool: true in the connection: this pool tells capitals from small letters.",
    ),
    "identity_provider_missing": Advice(
        "error", _PROVIDER, "Apps that ask for it by this name get an error from Cognito.",
        "`fedbridge cognito apply` creates it; or give its name there as --identity-provider.",
    ),
    "identity_provider_type": Advice(
        "error", _PROVIDER, "The bridge is an OpenID Connect provider to Cognito, and nothing else.",
        "Create one of type OIDC under another name: the type cannot be changed.",
    ),
    "identity_provider_name": Advice(
        "error", _PROVIDER, "User names begin with it: sessions would be ended, and people linked, under names that nobody has.",
        "Set relying_parties[].user_pool.identity_provider to the name in the pool.",
    ),
    "cognito_client_id": Advice("error", _PROVIDER, "The bridge refuses the first request (unknown client).", _APPLY),
    "cognito_client_secret": Advice(
        "error", _PROVIDER, "The bridge refuses Cognito at the token endpoint (invalid_client), so " + _FAILS[0].lower() + _FAILS[1:],
        "Publish the hash of the secret that Cognito has, or give Cognito a secret that the bridge knows.",
    ),
    "cognito_scopes": Advice("error", _PROVIDER, "The bridge refuses requests without openid (invalid_scope).", _APPLY),
    "cognito_issuer": Advice("error", _PROVIDER, "Cognito refuses every ID token: Bad id_token issuer.", _APPLY),
    "cognito_issuer_slash": Advice(
        "warning", _PROVIDER, "AWS says that it must not be there; sign-ins were seen to work, and nobody promises it.", _APPLY,
    ),
    "cognito_issuer_path": Advice(
        "error", _PROVIDER, "Cognito refuses every ID token: Bad id_token issuer. A stage's path is part of no issuer.", _APPLY,
    ),
    "cognito_endpoint": Advice("error", _PROVIDER, "Cognito goes to an address where the bridge is not, or no longer.", _APPLY),
    "cognito_endpoints_partial": Advice(
        "warning", _PROVIDER, "Unless all four are given Cognito discovers them, and fails when it cannot.", _APPLY,
    ),
    "cognito_relay_endpoints": Advice(
        "error", _PROVIDER, "Cognito discovers the IdP's own endpoints and goes past the bridge.", _APPLY,
    ),
    "cognito_not_compared": Advice(
        "unknown", _PROVIDER, "Tokens are relayed, so the pool's issuer and keys are the IdP's, and could not be compared.",
        "Mend what is found about the IdP's metadata, and check again.",
    ),
    "cognito_discovery": Advice(
        "error", _PROVIDER, "The pool discovers the bridge, so " + _FAILS[0].lower() + _FAILS[1:],
        "Publish the connection and look at the address; or let `fedbridge cognito apply` set the endpoints by hand.",
    ),
    "cognito_cannot_reach": Advice(
        "error", _PROVIDER, "Cognito calls public hosts over https, on port 443 or 80, and no others.",
        "Give the bridge a public address: the stack's own, or a domain with a certificate that everybody trusts.",
    ),
    "cognito_acr_missing": Advice(
        "warning", _PROVIDER, "Apps cannot ask for a level, and every level that was reached counts as the pool's lowest.",
        _APPLY,
    ),
    "cognito_acr_unknown": Advice(
        "error", _PROVIDER, "Whoever asks for that level is refused (acr_values_not_offered).",
        "Map the level to a word of assurance.acr_map; `fedbridge cognito apply` does.",
    ),
    "attribute_immutable": Advice(
        "error", _MAPPING, "Cognito fails when the value arrives: the first sign-in may work, later ones do not.",
        "Remove the mapping, or make a new pool: an attribute cannot be made mutable afterwards.",
    ),
    "attribute_unknown": Advice(
        "error", _MAPPING, "Cognito has nowhere to put the value.",
        "Correct the name (custom attributes begin with custom:, and case counts), or add the attribute to the pool.",
    ),
    "attribute_developer_only": Advice(
        "error", _MAPPING, "Such an attribute is written by administrators alone, not by a sign-in.",
        "Map the claim to a custom: attribute.",
    ),
    "attribute_required": Advice(
        "error", _MAPPING, "Cognito refuses every sign-in: The attribute is required.",
        "Map a claim to it, and have the connection emit that claim; whether an attribute is required cannot be changed.",
    ),
    "attribute_too_short": Advice(
        "error", _MAPPING, "Cognito refuses the value, and with it the sign-in.",
        "Add an attribute that is long enough, and map the claim to that one.",
    ),
    "attribute_may_be_short": Advice(
        "warning", _MAPPING, "Who is in many groups is refused, and nobody else.",
        "Add an attribute of up to 2,048 characters, or pick less with a JMESPath expression.",
    ),
    "claim_case": Advice(
        "error", _MAPPING, "Claim names are compared by case: the attribute stays empty.", "Write the claim as the connection does.",
    ),
    "claim_not_emitted": Advice(
        "warning", _MAPPING, "The attribute stays empty, or keeps an old value.",
        "Add the claim to `claims` of the connection, or remove the mapping (`fedbridge cognito apply --prune`).",
    ),
    "required_claim_not_emitted": Advice(
        "error", _MAPPING, "Cognito refuses every sign-in: The attribute is required.",
        "Add the claim to `claims` of the connection, or map one that comes.",
    ),
    "username_claim": Advice(
        "error", _MAPPING, "Only `sub` is promised to be unique, short and without blanks.", _APPLY,
    ),
    "email_verified_unmapped": Advice(
        "warning", _MAPPING, "The address counts as unverified after every sign-in; nothing can be linked by it.", _APPLY,
    ),
    "app_client_missing": Advice(
        "error", _CLIENT, "No app can sign anybody in.", "Create an app client with the code flow.",
    ),
    "app_clients_unseen": Advice(
        "unknown", _CLIENT, "Each costs a call, so only the oldest are looked at.",
        "`fedbridge cognito apply --app-client ID` shows whether a certain one offers the identity provider.",
    ),
    "identity_provider_not_enabled": Advice(
        "error", _CLIENT, "No app can use the identity provider.",
        "`fedbridge cognito apply --app-client ID` enables it and keeps all other settings.",
    ),
    "app_client_oauth_off": Advice(
        "error", _CLIENT, "Federated sign-in goes through the pool's OAuth endpoints, which refuse this client.",
        "Set AllowedOAuthFlowsUserPoolClient, with flow code and scope openid. Send all other settings along.",
    ),
    "app_client_code_flow": Advice(
        "error", _CLIENT, "An app that uses the code flow is refused (unauthorized_client).",
        "Add code to AllowedOAuthFlows; implicit puts tokens into URLs. Send all other settings along.",
    ),
    "app_client_scopes": Advice(
        "error", _CLIENT, "Without it there is no ID token, and other scopes than its own give an app nothing of the profile.",
        "Add openid to AllowedOAuthScopes. Send all other settings along.",
    ),
    "app_client_callback": Advice(
        "error", _CLIENT, "Cognito sends nobody back (redirect_mismatch).",
        "Add the app's address to CallbackURLs. Send all other settings along.",
    ),
    "attribute_not_writable": Advice(
        "error", _CLIENT, "AWS's reference says that the sign-in fails, its guide that the value is skipped.",
        "Add the attribute to WriteAttributes. Users of this client can then change it by themselves through Cognito's API.",
    ),
    "attribute_self_service": Advice(
        "warning", _CLIENT, "With their access token people can set it by themselves (UpdateUserAttributes), until the next sign-in"
        " through the IdP: nothing may be decided by it.",
        "Remove aws.cognito.signin.user.admin from AllowedOAuthScopes, unless the app needs it. Send all other settings along.",
    ),
    "domain_missing": Advice(
        "error", _DOMAIN, "Federated sign-in goes through the pool's domain, and nowhere else.",
        "Add a prefix domain or one of your own to the pool, and its /oauth2/idpresponse to redirect_uris.",
    ),
    "redirect_uri_unregistered": Advice(
        "error", _DOMAIN, "The bridge refuses every request that comes by this domain, before anything else.",
        "Add it to redirect_uris of the relying party, to the byte, and publish.",
    ),
    "custom_domain_unregistered": Advice(
        "error", _DOMAIN, "The bridge refuses apps that come by the pool's own domain; Cognito sends the one that they used.",
        "Add it to redirect_uris of the relying party, to the byte, and publish.",
    ),
    "prefix_domain_unregistered": Advice(
        "warning", _DOMAIN, "Apps that come by the prefix domain, which remains, are refused.",
        "Add it to redirect_uris of the relying party, or see that no app uses it.",
    ),
    "authorizer_issuer_domain": Advice(
        "error", _AUTHORIZER, "API Gateway refuses every token: their `iss` is the pool's issuer, never its domain.",
        "Set Issuer to https://cognito-idp.REGION.amazonaws.com/POOL_ID.",
    ),
    "authorizer_issuer": Advice(
        "error", _AUTHORIZER, "API Gateway refuses the tokens of this pool.",
        "Set Issuer to what the finding says, to the byte; pools with an updated IssuerConfiguration have another one than before.",
    ),
    "authorizer_audience": Advice(
        "error", _AUTHORIZER, "API Gateway compares it with `aud`, or with `client_id` of access tokens, and refuses all others.",
        "Set Audience to the ids of the app clients.",
    ),
    "authorizer_unreadable": Advice(
        "unknown", _AUTHORIZER, "The authorizers could not be looked at.",
        "Correct the id of the API; credentials need apigateway:GET.",
    ),
})  # fmt: skip

found = CODES.found

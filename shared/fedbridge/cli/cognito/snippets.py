"""An identity provider for those who would rather type it in, or keep it in CloudFormation or Terraform.

No snippet holds the client secret: it is a dynamic reference, or a parameter that is not echoed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from fedbridge.keys.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PLACEHOLDER = "USER_POOL_ID"
"""What stands in a snippet where no pool is named."""

CONSOLE = {
    "client_id": "Client ID",
    "client_secret": "Client secret",
    "authorize_scopes": "Authorized scopes",
    "attributes_request_method": "Attribute request method",
    "oidc_issuer": "Issuer URL",
    "authorize_url": "Authorization endpoint",
    "token_url": "Token endpoint",
    "attributes_url": "UserInfo endpoint",
    "jwks_uri": "Jwks_uri endpoint",
}
"""Members of `ProviderDetails` as the AWS console calls them; it sets the others by itself."""

_ACR_NOTE = "AcrMapping is not among what {} can set: give it by `fedbridge cognito apply`, or UpdateIdentityProvider."


def console(name: str, fields: Mapping[str, Mapping[str, str]], secret: str | None) -> str:
    """Return what to type into the console: User pools, Social and external providers, Add, OpenID Connect."""
    details = fields["ProviderDetails"]
    rows = [("Provider name", name)]
    rows += [
        (title, _secret_words(secret) if member == "client_secret" else details[member])
        for member, title in CONSOLE.items()
        if member in details
    ]
    if "authorize_url" in details:
        rows.insert(-5, ("Setup method", "Manual input"))
    rows += [("Attribute mapping", f"{key} <- {value}") for key, value in fields["AttributeMapping"].items()]
    rows += [("AcrMapping", f"{level} = {value}") for level, value in fields.get("AcrMapping", {}).items()]
    width = max(len(title) for title, _ in rows)
    return "".join(f"{title:<{width}}  {value}\n" for title, value in rows)


def cloudformation(
    name: str, pool_id: str | None, fields: Mapping[str, Mapping[str, str]], secret: str | None
) -> str:
    """Return a template with the one resource `AWS::Cognito::UserPoolIdentityProvider`, in YAML."""
    parameters: dict[str, Any] = {}
    value: Any = _dynamic_reference(secret)
    if value is None:
        parameters["ClientSecret"] = {"Type": "String", "NoEcho": True}
        value = {"Ref": "ClientSecret"}
    if pool_id is None:
        parameters["UserPoolId"] = {"Type": "String"}
    resource = {
        "Type": "AWS::Cognito::UserPoolIdentityProvider",
        "Properties": {
            "UserPoolId": pool_id or {"Ref": "UserPoolId"},
            "ProviderName": name,
            "ProviderType": "OIDC",
            "ProviderDetails": {**fields["ProviderDetails"], "client_secret": value},
            "AttributeMapping": dict(fields["AttributeMapping"]),
        },
    }
    document = {
        **({"Parameters": parameters} if parameters else {}),
        "Resources": {re.sub("[^A-Za-z0-9]", "", f"{name}Provider"): resource},
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return _noted(fields, "CloudFormation") + text


def terraform(
    name: str, pool_id: str | None, fields: Mapping[str, Mapping[str, str]], secret: str | None
) -> str:
    """Return an `aws_cognito_identity_provider` in HCL.

    Every key that Cognito reads back is set, its own `attributes_url_add_attributes` and `username` too: what is left
    out differs from what is read, and the plan never settles (terraform-provider-aws#4831).
    """
    words = _secret_words(secret)
    details = [
        (key, "var.client_secret" if key == "client_secret" else _hcl(value))
        for key, value in fields["ProviderDetails"].items()
    ]
    mapping = [(_key(key), _hcl(value)) for key, value in fields["AttributeMapping"].items()]
    resource = re.sub("[^a-z0-9_]", "_", name.lower())
    return f"""{_noted(fields, "the Terraform provider")}variable "client_secret" {{
  type        = string
  sensitive   = true
  description = {_hcl(words)}
}}

resource "aws_cognito_identity_provider" "{resource}" {{
  user_pool_id  = {_hcl(pool_id or PLACEHOLDER)}
  provider_name = {_hcl(name)}
  provider_type = "OIDC"

  provider_details = {{
{_aligned(details)}  }}

  attribute_mapping = {{
{_aligned(mapping)}  }}
}}
"""


def _noted(fields: Mapping[str, Mapping[str, str]], tool: str) -> str:
    if not fields.get("AcrMapping"):
        return ""
    levels = ", ".join(f"{level} = {value}" for level, value in fields["AcrMapping"].items())
    return f"# {_ACR_NOTE.format(tool)}\n# {levels}\n"


def _secret_words(secret: str | None) -> str:
    return f"what is stored as {secret}" if secret else "what `fedbridge secrets new` printed"


def _dynamic_reference(secret: str | None) -> str | None:
    """Return how CloudFormation reads the secret by itself, None where it cannot."""
    if secret is None:
        return None
    reference = parse_reference(secret)
    if reference.scheme != "secretsmanager":
        return None
    member = f":{reference.fragment}" if reference.fragment else ""
    return f"{{{{resolve:secretsmanager:{reference.name}:SecretString{member}}}}}"


def _hcl(text: str) -> str:
    """Return a quoted string of HCL, in which `${` and `%{` would begin a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[a-z_]+", name) else _hcl(name)


def _aligned(pairs: Iterable[tuple[str, str]]) -> str:
    pairs = list(pairs)
    width = max(len(key) for key, _ in pairs)
    return "".join(f"    {key:<{width}} = {value}\n" for key, value in pairs)

"""Parameters of stacks that use what is optional."""

from tests.infra.template import CUSTOM_DOMAIN

ACCOUNT = "111122223333"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"

REST = {**CUSTOM_DOMAIN, "ApiType": "rest"}

HARDENED = {
    "PermissionsBoundaryArn": BOUNDARY,
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
    "ReservedConcurrency": "20",
    "LogsKeyArn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/logs",
    "AlarmTopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:on-call",
}

EVERYTHING = {
    **REST,
    **HARDENED,
    "KeepSessions": "true",
    "UseFipsEndpoints": "true",
    "UseDualStackEndpoints": "true",
    "ProvisionedConcurrency": "2",
    "TrafficShifting": "Canary10Percent5Minutes",
    "Failover": "PRIMARY",
    "HealthCheckId": "01234567-89ab-cdef-0123-456789abcdef",
    "IdTokenKeyMultiRegion": "true",
    "ConnectionsStream": "true",
}
"""All that goes together: a REST API with a web ACL, in a VPC, the first of two regions."""

STANDBY = {
    **CUSTOM_DOMAIN,
    **HARDENED,
    "SnapStart": "true",
    "Failover": "SECONDARY",
    "ConnectionsTableName": "fedbridge-Connections-1",
    "RotateKeys": "false",
    "IdTokenPrimaryKeyArn": f"arn:aws:kms:eu-north-1:{ACCOUNT}:key/mrk-00000000000000000000000000000000",
}
"""The second of two regions, with an HTTP API."""

"""Puts the documents of deploy/aws into the stand-in that docker-compose.yml starts.

Runs once each time the composition comes up, in the image of the stand-in, with
nothing but what that has: botocore and PyYAML. The stand-in forgets everything when
it stops, so whatever is missing is made anew. Never for a real account: see
deploy/aws/README.md.

Environment: ENDPOINT (the stand-in), TEMPLATES (deploy/aws), OUT (where the broker's
AWS configuration goes), EXTERNAL_ID (as in halligan.toml).
"""

import os
import pathlib
import time

import yaml
from botocore.exceptions import ClientError
from botocore.session import Session

ENDPOINT = os.environ["ENDPOINT"]
TEMPLATES = pathlib.Path(os.environ["TEMPLATES"])
OUT = pathlib.Path(os.environ["OUT"])
EXTERNAL_ID = os.environ["EXTERNAL_ID"]
REGION = "us-east-1"

# On the stand-in an access key id of 12 digits is the root of that account.
BROKER_ACCOUNT = "444455556666"
TARGET_ACCOUNT = "111122223333"
ROLE_NAME = "halligan-break-glass"
MACHINE = "halligan-machine"

BROKER_ROLE = f"arn:aws:iam::{BROKER_ACCOUNT}:role/halligan-broker"
BREAK_GLASS_ROLE = f"arn:aws:iam::{TARGET_ACCOUNT}:role/{ROLE_NAME}"
REVOKER_ROLE = f"arn:aws:iam::{TARGET_ACCOUNT}:role/halligan-revoker"

# Keys that the stand-in never fills in: an Allow that demands one never allows, a
# Deny that hangs on one always denies. The same list is in
# crates/aws/src/provision/relax.rs, for the demo and the tests.
NOT_FILLED_IN = {
    "aws:securetransport",
    "iam:permissionsboundary",
    "s3:if-none-match",
    "sts:sourceidentity",
    "sts:transitivetagkeys",
}


def client(account, service):
    return Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=ENDPOINT,
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )


def relaxed(node):
    """The template without the conditions that the stand-in can't evaluate; None for a statement that has to go."""
    if isinstance(node, list):
        return [kept for kept in map(relaxed, node) if kept is not None]
    if not isinstance(node, dict):
        return node
    if "Effect" not in node or "Condition" not in node:
        return {key: {"Ref": "AWS::NoValue"} if (kept := relaxed(value)) is None else kept for key, value in node.items()}
    condition = {
        operator: {key: value for key, value in keys.items() if key.lower() not in NOT_FILLED_IN}
        for operator, keys in node["Condition"].items()
    }
    if node["Effect"] == "Deny" and condition != node["Condition"]:
        return None
    condition = {operator: keys for operator, keys in condition.items() if keys}
    rest = {key: value for key, value in node.items() if key != "Condition"}
    return {**rest, "Condition": condition} if condition else rest


def deploy(account, name, template, **parameters):
    formation = client(account, "cloudformation")
    try:
        formation.describe_stacks(StackName=name)
        print(f"{account} {name}: there already")
        return
    except ClientError:
        pass
    document = relaxed(yaml.safe_load((TEMPLATES / template).read_text()))
    formation.create_stack(
        StackName=name,
        TemplateBody=yaml.safe_dump(document, sort_keys=False),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    for _ in range(120):
        status = formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        if status == "CREATE_COMPLETE":
            print(f"{account} {name}: made")
            return
        if status != "CREATE_IN_PROGRESS":
            break
        time.sleep(0.5)
    raise SystemExit(f"{account} {name}: expected CREATE_COMPLETE, found {status}")


def machine():
    """The login of the machine that the broker runs on, good for nothing but becoming the broker's role."""
    iam = client(BROKER_ACCOUNT, "iam")
    credentials, config = OUT / "credentials", OUT / "config"
    try:
        iam.get_user(UserName=MACHINE)
        if credentials.exists() and config.exists():
            return
    except ClientError:
        iam.create_user(UserName=MACHINE)
    iam.put_user_policy(
        UserName=MACHINE,
        PolicyName="broker",
        PolicyDocument=(
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
            f'"Resource":"{BROKER_ROLE}"}}]}}'
        ),
    )
    key = iam.create_access_key(UserName=MACHINE)["AccessKey"]
    config.write_text(
        f"[default]\nregion = {REGION}\nrole_arn = {BROKER_ROLE}\nsource_profile = machine\n"
        f"[profile machine]\nregion = {REGION}\n"
    )
    credentials.touch(mode=0o600)
    credentials.write_text(
        f"[machine]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )


def main():
    machine()
    deploy(
        BROKER_ACCOUNT,
        "halligan-broker",
        "broker.yaml",
        BreakGlassRoleArns=BREAK_GLASS_ROLE,
        RevokerRoleArns=REVOKER_ROLE,
        TrustedPrincipalArn=f"arn:aws:iam::{BROKER_ACCOUNT}:user/{MACHINE}",
    )
    shared = {"BrokerRoleArn": BROKER_ROLE, "ExternalId": EXTERNAL_ID}
    deploy(TARGET_ACCOUNT, "halligan-target-account", "target-account.yaml", **shared)
    deploy(TARGET_ACCOUNT, ROLE_NAME, "break-glass-role.yaml", RoleName=ROLE_NAME, **shared)


if __name__ == "__main__":
    main()

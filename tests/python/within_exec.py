"""Runs under `halligan exec`: where do the credentials come from, what can they do, and
does the place where they come from answer anybody else? Ends with code 7."""

import json
import os
import sys
import urllib.error
import urllib.request

import boto3

url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]


def status(token):
    headers = {} if token is None else {"Authorization": token}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return error.code


session = boto3.Session()
credentials = session.get_credentials()
print(
    json.dumps(
        {
            "method": credentials.method,
            "access_key": credentials.access_key,
            "region": session.region_name,
            "arn": session.client("sts").get_caller_identity()["Arn"],
            "buckets": len(session.client("s3").list_buckets()["Buckets"]),
            "leftovers": sorted(name for name in os.environ if name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")),
            "own_token": status(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]),
            "wrong_token": status("wrong"),
            "no_token": status(None),
        }
    )
)
sys.exit(7)

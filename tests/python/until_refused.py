"""Lists buckets until it is refused: once by way of a credential_process alone, once
with the first credentials that it handed out, as somebody who copied them would.

Prints one JSON object: for each, when the last call that succeeded was sent, when the
first that was refused was answered, how often it was called, and what it was told.
"""

import json
import sys
import threading
import time

import boto3
from botocore.config import Config

REFUSED_IN_A_ROW = 3
PATIENCE_SECONDS = 60


def client(**credentials):
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    return boto3.Session(**credentials).client("s3", config=config)


def until_refused(s3):
    told, calls, refused, last_success, first_refusal = [], 0, 0, None, None
    deadline = time.time() + PATIENCE_SECONDS
    while refused < REFUSED_IN_A_ROW and time.time() < deadline:
        sent = time.time()
        calls += 1
        try:
            s3.list_buckets()
        except Exception as error:
            refused += 1
            first_refusal = first_refusal or time.time()
            told.append(f"{type(error).__name__}: {error}")
        else:
            if refused:
                sys.exit("it works again after it was refused")
            last_success = sent
        time.sleep(0.1)
    return {"last_success": last_success, "first_refusal": first_refusal, "calls": calls, "told": told}


def main():
    session = boto3.Session()
    source = session.get_credentials()
    kept = source.get_frozen_credentials()
    clients = {
        "process": client(),
        "copied": client(
            aws_access_key_id=kept.access_key,
            aws_secret_access_key=kept.secret_key,
            aws_session_token=kept.token,
        ),
    }
    outcomes = {"method": source.method}

    def run(name):
        outcomes[name] = until_refused(clients[name])

    threads = [threading.Thread(target=run, args=(name,)) for name in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(outcomes))


main()

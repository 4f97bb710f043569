"""A real S3 server: moto's, with accounts and policies that it holds to, in threads of this process.

`tests/support/s3.py` is a bucket that counts what it is asked; this one signs, lists, refuses and answers as S3 does.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import yaml
from moto.core import enable_iam_authentication
from moto.server import ThreadedMotoServer

from marketplace.core.settings import settings

COMPOSE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
REGION = "us-east-1"
BUCKET = "partage"


def sites_policy() -> dict[str, Any]:
    """Return what docker-compose.yml lets the site's account do, of this server's dialect.

    moto asks of a deletion in bulk whether it is allowed on the bucket; S3 and MinIO ask it of each object.
    """
    policy: dict[str, Any] = json.loads(yaml.safe_load(COMPOSE.read_text())["configs"]["policy"]["content"])
    policy["Statement"].append({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{BUCKET}"})
    return policy


class S3Server:
    """The server's address, the site's account on it, and one that may do everything."""

    def __init__(self, url: str) -> None:
        """Make the bucket and the account; nobody is asked for a signature yet."""
        everything = {
            "endpoint_url": url,
            "region_name": REGION,
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        self.url = url
        boto3.client("s3", **everything).create_bucket(Bucket=BUCKET)
        accounts = boto3.client("iam", **everything)
        accounts.create_user(UserName="site")
        accounts.put_user_policy(UserName="site", PolicyName="site", PolicyDocument=json.dumps(sites_policy()))
        made = accounts.create_access_key(UserName="site")["AccessKey"]
        self.environment = {
            "PARTAGE_OBJECTS": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }

    def choose(self, **changed: str) -> None:
        """Lead this process to the server, with settings that a test changes."""
        from marketplace.core import object_store  # noqa: PLC0415

        os.environ |= self.environment | changed
        settings.cache_clear()
        object_store.open_at.cache_clear()


@contextlib.contextmanager
def serving_s3() -> Iterator[S3Server]:
    """Serve S3 on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        url = f"http://{host}:{port}"
        httpx.post(f"{url}/moto-api/reset")  # what another server of this process was given
        there = S3Server(url)
        with enable_iam_authentication():
            yield there
    finally:
        server.stop()

"""Rules of buckets: the values that a partner may enter, and the names of objects."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from marketplace.core.errors import Invalid
from marketplace.delivery.outgoing.rules import check_url

AWS: Final = "https://s3.{region}.amazonaws.com"
"""The server of a bucket that names none."""
BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
PREFIX: Final = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*/?")
KEY: Final = re.compile(r"[A-Za-z0-9_+/=.-]{1,200}")
LONGEST_PREFIX: Final = 200
SECONDS: Final = 600
"""How long a file may take, and …"""
TEST_SECONDS: Final = 10
"""… how long the test of a new bucket may take, and …"""
LARGEST_BYTES: Final = 5_000_000_000
"""… how large a file may be: S3's limit of one request, a little less."""


class BucketForm(Struct, frozen=True):
    """A checked bucket, as a partner entered it."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    key: str
    secret: str


def check_bucket(written: BucketForm, networks: str = "") -> BucketForm:
    """Return a partner's bucket as it is saved; refuses an invalid one by its field. networks: see `check_url`."""
    region = written.region.strip() or "us-east-1"
    if not REGION.fullmatch(region):
        raise Invalid("Write a region such as eu-west-3.", field="region")
    bucket, prefix = written.bucket.strip(), written.prefix.strip().strip("/")
    if not BUCKET.fullmatch(bucket) or ".." in bucket:
        raise Invalid("Write the bucket’s name as S3 knows it.", field="bucket")
    parts = prefix.split("/")
    if prefix and (not PREFIX.fullmatch(prefix) or len(prefix) > LONGEST_PREFIX or {".", ".."} & set(parts)):
        raise Invalid("A folder is of letters, digits, hyphens and slashes.", field="prefix")
    key, secret = written.key.strip(), written.secret.strip()
    for field, text in (("key", key), ("secret", secret)):
        if not KEY.fullmatch(text):
            raise Invalid("Write the access key and its secret as S3 gave them.", field=field)
    try:
        endpoint = check_url(written.endpoint.strip() or AWS.format(region=region), networks).rstrip("/")
    except Invalid as refusal:
        raise Invalid(refusal.sentence, field="endpoint") from None
    if "/" in endpoint.partition("://")[2] or "?" in endpoint:
        raise Invalid("Write the server’s address without a path.", field="endpoint")
    return BucketForm(endpoint, region, bucket, f"{prefix}/" if prefix else "", key, secret)

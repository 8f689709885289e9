"""Helpers for the tests: the service's address, random content, command line tools, and an independent look at objects."""
import hashlib
import os
import pathlib
import random
import subprocess
import tempfile
import unittest
import urllib.parse

import boto3
from botocore.config import Config

MIB = 1 << 20
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
HOST = urllib.parse.urlsplit(ENDPOINT).netloc
HTTPS = ENDPOINT.startswith("https:")
KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET = os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_REGION"]
CERTIFICATE = os.environ["S3_CERTIFICATE"]
#: Its subdomains are buckets. Empty over https.
VIRTUAL_ENDPOINT = os.environ["S3_VIRTUAL_ENDPOINT"]
#: Names that need escapes in addresses, in XML, or in both.
ODD_NAME = "d i r/a+b&c=<é>%41 'q'.txt"
#: More than the parts of every client here, and no multiple of them.
LARGE = 12 * MIB + 12345


def random_bytes(size, seed):
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def tool(*command, check=True, env=None, **options):
    """Runs a command line tool. Its standard output when it must succeed."""
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        timeout=120,
        env={**os.environ, **(env or {})},
        **options,
    )
    if check and result.returncode != 0:
        said = (result.stderr or b"")[-2000:].decode(errors="replace") + (result.stdout or b"")[-2000:].decode(errors="replace")
        raise AssertionError(f"{command} ended with {result.returncode}: {said}")
    return result.stdout if check else result


def contents(directory):
    """Every file below a directory: relative path -> bytes."""
    directory = pathlib.Path(directory)
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def client(endpoint=ENDPOINT, **config):
    """boto3, which the tests of other clients look through."""
    return boto3.client("s3", endpoint_url=endpoint, config=Config(**{"retries": {"max_attempts": 1}, **config}))


class S3Case(unittest.TestCase):
    """A bucket and a scratch directory for each test."""

    maxDiff = 2000

    def setUp(self):
        self.s3 = client()
        digest = hashlib.md5(self.id().encode()).hexdigest()[:8]
        self.bucket = f"b-{digest}"
        self.s3.create_bucket(Bucket=self.bucket)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)

    def read(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def write(self, name, size_or_bytes):
        """A local file; returns its path."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = size_or_bytes if isinstance(size_or_bytes, bytes) else random_bytes(size_or_bytes, name)
        path.write_bytes(data)
        return path

    def tree(self, name="tree"):
        """A local directory with files of all kinds; returns its path and what is in it."""
        for file, size in [("empty", 0), ("one", 1), (ODD_NAME, 1000), ("deep/er/file.bin", 70_000), ("large.bin", LARGE)]:
            self.write(f"{name}/{file}", size)
        return self.dir / name, contents(self.dir / name)

    def assertStored(self, expected, prefix=""):
        """The bucket holds these and nothing else below the prefix, byte for byte, with stable ETags."""
        self.assertEqual(sorted(self.keys(prefix)), sorted(prefix + key for key in expected))
        for key, data in expected.items():
            self.assertTrue(self.read(prefix + key) == data, f"{key} has other bytes")
            head = self.s3.head_object(Bucket=self.bucket, Key=prefix + key)
            listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix + key)["Contents"][0]
            self.assertEqual((head["ETag"], head["ContentLength"]), (listed["ETag"], listed["Size"]))

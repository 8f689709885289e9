"""Helpers for the tests: files to upload, the command line tools, and the service's upload log."""
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

MIB = 1 << 20


def random_bytes(size, seed):
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def scratch():
    return pathlib.Path(tempfile.mkdtemp())


def tool(*command, check=True, **options):
    """Runs a command line tool of the SDK. Its standard output, without the last newline, when it must succeed."""
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout.rstrip("\n") if check else result


def contents(directory):
    """Every file below a directory: relative path -> bytes."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def service(path, token=None, body=None, **query):
    """One request to the API, past the SDK."""
    text = urllib.parse.urlencode({name: json.dumps(value) for name, value in query.items()})
    request = urllib.request.Request(
        f"https://{os.environ['ARVADOS_API_HOST']}/arvados/v1/{path}?{text}",
        headers={
            "Authorization": f"Bearer {token or os.environ['ARVADOS_API_TOKEN']}",
            "Content-Type": "application/json",
        },
        data=None if body is None else json.dumps(body).encode(),
    )
    insecure = ssl._create_unverified_context()
    with urllib.request.urlopen(request, context=insecure) as response:
        return json.load(response)


def uploads_so_far():
    """How many blocks the service has accepted, from its upload log."""
    return service("upload_log", token=os.environ["KEEP_EDGE_ADMIN_TOKEN"], limit=0)["items_available"]


PYTHON = sys.executable

"""s3fs: write, read, find, move, remove. Arguments: the bucket and a scratch directory."""
import random
import sys

import s3fs

SIZE = 12 * (1 << 20) + 12345
bucket, scratch = sys.argv[1:]
files = s3fs.S3FileSystem()
data = random.Random(1).randbytes(SIZE)
with files.open(f"{bucket}/d/large", "wb", block_size=5 << 20) as out:
    out.write(data)
files.pipe(f"{bucket}/d/small", b"hello")
files.pipe(f"{bucket}/kept", b"kept")
assert files.cat(f"{bucket}/d/small") == b"hello"
assert files.cat(f"{bucket}/d/large") == data
with files.open(f"{bucket}/d/large") as source:
    source.seek(1_000_000)
    assert source.read(100) == data[1_000_000:1_000_100]
assert sorted(files.find(bucket)) == [f"{bucket}/d/large", f"{bucket}/d/small", f"{bucket}/kept"], files.find(bucket)
assert sorted(files.ls(bucket)) == [f"{bucket}/d", f"{bucket}/kept"]
assert files.exists(f"{bucket}/d") and files.isdir(f"{bucket}/d") and not files.exists(f"{bucket}/never")
files.get(f"{bucket}/d/", f"{scratch}/back/", recursive=True)
assert open(f"{scratch}/back/large", "rb").read() == data
files.mv(f"{bucket}/d/large", f"{bucket}/moved/large")
files.rm(f"{bucket}/d", recursive=True)

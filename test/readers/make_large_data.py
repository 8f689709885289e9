"""Files that take several blocks or many parts, for test/readers/counts.ts: python make_large_data.py DIRECTORY"""

import random
import sys
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
import pysam
import zarr

root = Path(sys.argv[1])
chance = random.Random(42)
LENGTH = 20_000_000

bases = ''.join(chance.choices('ACGT', k=1_000_000))
qualities = ''.join(chr(33 + chance.randrange(40)) for _ in range(1_000_000))
header = {'HD': {'VN': '1.6', 'SO': 'coordinate'}, 'SQ': [{'SN': 'chr1', 'LN': LENGTH}]}
with pysam.AlignmentFile(str(root / 'reads.bam'), 'wb', header=header) as bam:
    for number in range(400_000):
        read = pysam.AlignedSegment(bam.header)
        start = chance.randrange(999_800)
        read.query_name = f'read{number}'
        read.query_sequence = bases[start:start + 150]
        read.query_qualities = pysam.qualitystring_to_array(qualities[start:start + 150])
        read.flag = 0
        read.reference_id = 0
        read.reference_start = number * 49
        read.mapping_quality = 60
        read.cigarstring = '150M'
        bam.write(read)
pysam.index(str(root / 'reads.bam'))

rows = 6_000_000
table = pyarrow.table({
    'c': numpy.arange(rows),
    't': numpy.random.default_rng(1).random(rows),
    'u': numpy.random.default_rng(2).random(rows),
})
pyarrow.parquet.write_table(table, root / 'samples.parquet', row_group_size=200_000)

group = zarr.create_group(store=root / 'image.zarr')
pixels = numpy.random.default_rng(3).integers(0, 65_535, (2048, 2048), dtype='u2')
group.create_array('pixels', data=pixels, chunks=(64, 64))
zarr.consolidate_metadata(root / 'image.zarr')

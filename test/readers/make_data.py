"""Small files of the formats that docs/tools.md reads: python make_data.py DIRECTORY"""

import csv
import random
import sys
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
import pysam
import rasterio
import zarr

root = Path(sys.argv[1])
chance = random.Random(42)
LENGTH = 1_000_000

with open(root / 'reference.fa', 'w') as fasta:
    fasta.write('>chr1\n')
    for _ in range(LENGTH // 80):
        fasta.write(''.join(chance.choices('ACGT', k=80)) + '\n')
pysam.faidx(str(root / 'reference.fa'))

header = {'HD': {'VN': '1.6', 'SO': 'coordinate'}, 'SQ': [{'SN': 'chr1', 'LN': LENGTH}]}
with pysam.AlignmentFile(str(root / 'reads.bam'), 'wb', header=header) as bam:
    for number in range(20_000):
        read = pysam.AlignedSegment(bam.header)
        read.query_name = f'read{number}'
        read.query_sequence = ''.join(chance.choices('ACGT', k=100))
        read.query_qualities = pysam.qualitystring_to_array('I' * 100)
        read.flag = 0
        read.reference_id = 0
        read.reference_start = number * 45
        read.mapping_quality = 60
        read.cigarstring = '100M'
        bam.write(read)
pysam.index(str(root / 'reads.bam'))

vcf = pysam.VariantHeader()
vcf.contigs.add('chr1', length=LENGTH)
with pysam.VariantFile(str(root / 'calls.vcf.gz'), 'w', header=vcf) as calls:
    for position in range(1000, LENGTH, 500):
        calls.write(calls.new_record(contig='chr1', start=position, alleles=('A', 'G')))
pysam.tabix_index(str(root / 'calls.vcf.gz'), preset='vcf', force=True)

rows = [{'sample': f's{n}', 'c': n, 't': n * 0.5} for n in range(50_000)]
with open(root / 'samples.csv', 'w', newline='') as text:
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / 'samples.parquet', row_group_size=5_000)

group = zarr.create_group(store=root / 'image.zarr')
group.create_array('pixels', data=numpy.arange(256 * 256, dtype='u2').reshape(256, 256), chunks=(64, 64))
zarr.consolidate_metadata(root / 'image.zarr')

with rasterio.open(
    root / 'map.tif', 'w', driver='GTiff', width=512, height=512, count=1, dtype='uint8', tiled=True,
    blockxsize=256, blockysize=256, crs='EPSG:4326', transform=rasterio.transform.from_origin(8, 48, 0.001, 0.001),
) as image:
    image.write(numpy.full((1, 512, 512), 7, dtype='uint8'))

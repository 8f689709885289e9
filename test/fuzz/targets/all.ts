import type { Target } from '../target.ts';
import { bodies, config, filters, forms, times, workLists } from './api.ts';
import { binIndexes, crais, drsIds, genomicHeaders } from './genomes.ts';
import { address, conditions, names, propfind, range, s3Listing } from './http.ts';
import { fileTree, manifestToRead, manifestToStore, zipSelection } from './manifests.ts';
import { awsChunked, s3Bodies, s3Signatures } from './s3.ts';
import { davBodies, ifHeaders } from './webdav.ts';
import { authorization, duration, locator, signature } from './words-of-keep.ts';

/** Every parser that stands between the outside and the service. */
export const TARGETS: Target[] = [
  locator,
  signature,
  authorization,
  duration,
  manifestToStore,
  manifestToRead,
  fileTree,
  zipSelection,
  range,
  conditions,
  s3Listing,
  propfind,
  davBodies,
  ifHeaders,
  address,
  names,
  filters,
  times,
  bodies,
  forms,
  workLists,
  config,
  binIndexes,
  crais,
  genomicHeaders,
  drsIds,
  s3Signatures,
  s3Bodies,
  awsChunked,
];

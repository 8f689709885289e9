import { expect, test } from 'vitest';
import { type Copy, decide, type Place, wantedPerClass } from '../../../src/balance/decide.ts';
import vectors from '../../vectors/keep-balance.json' with { type: 'json' };

type PlaceVector = [uuid: string, server: string, replication: number, classes: string, write: number, trash: number];
type CaseVector = [string, Record<string, number>, PlaceVector[], [number, number][], number[], number[], boolean];

const MIN_MTIME = 1000;

function placesOf(vector: PlaceVector[]): Place[] {
  return vector.map(([uuid, server, replication, classes, write, trash]) => ({
    uuid: `zzzzz-nyw5e-000000000000${uuid}`,
    server: `zzzzz-bi6l4-000000000000${server}`,
    replication,
    classes: classes.split(' '),
    allowWrite: write === 1,
    allowTrash: trash === 1,
  }));
}

test('the decisions are those that keep-balance made on the same states', () => {
  const cases = vectors.cases as unknown as CaseVector[];
  expect(cases.length).toBe(600);
  for (const [hash, wanted, placeVectors, copyVectors, trash, pull, isLost] of cases) {
    const places = placesOf(placeVectors);
    const copies = copyVectors.map(([index, mtime]): Copy => ({ place: places[index]!, mtime }));
    const decision = decide(hash, wanted, copies, places, MIN_MTIME);
    const indexes = (list: Place[]) => list.map((place) => places.indexOf(place)).sort((a, b) => a - b);
    expect({ hash, trash: indexes(decision.trash.map(({ place }) => place)), pull: indexes(decision.pull) }).toEqual({
      hash,
      trash: [...trash].sort((a, b) => a - b),
      pull: [...pull].sort((a, b) => a - b),
    });
    if (isLost) expect(decision.isLost).toBe(true);
  }
});

const place = (uuid: string, classes = ['default'], rest: Partial<Place> = {}): Place => ({
  uuid,
  server: '',
  replication: 1,
  classes,
  allowWrite: true,
  allowTrash: true,
  ...rest,
});
const HASH = 'acbd18db4cc2f85cedef654fccc4a4d8';

test('a class that no mount has keeps every copy, where keep-balance would trash them', () => {
  const one = place('a');
  const decision = decide(HASH, { tape: 1 }, [{ place: one, mtime: 1 }], [one], MIN_MTIME);
  expect(decision).toMatchObject({ trash: [], isUnderreplicated: true });
});

test('the most that any collection wants counts, class by class', () => {
  const wanted = wantedPerClass([
    { copies: 1, classes: ['default'] },
    { copies: 3, classes: ['archive'] },
    { copies: 2, classes: ['default', 'archive'] },
  ]);
  expect(wanted).toEqual({ default: 2, archive: 3 });
});

import { parseDuration } from '../../keep/duration.ts';
import { isKeepError } from '../../keep/errors.ts';
import type { PutGoal } from '../../services/copies.ts';
import type { Row } from '../api-client.ts';
import { usageError } from '../cli-error.ts';
import type { Given } from '../command.ts';
import type { ClusterFacts, Session } from '../session.ts';
import type { Checkpoint } from './checkpoint.ts';
import { checkClasses, checkOwner } from './references.ts';
import { createSaver, type Saver } from './save.ts';

const DAY_SECONDS = 86_400;

export interface GoalInput {
  given: Given;
  session: Session;
  facts: ClusterFacts;
  update: string | null;
  /** The collection that is updated. */
  target: Row | null;
  checkpoint: Checkpoint;
}

/** How often and where blocks are stored, and how the collection is saved. @throws CliError before anything is sent */
export async function prepareGoal(input: GoalInput): Promise<{ goal: PutGoal; saver: Saver }> {
  const { given, session, facts, update, target, checkpoint } = input;
  const [name = null, owner = null] = update === null ? [given.text('name'), given.text('project-uuid')] : [];
  if (owner !== null) await checkOwner(session.api, owner);
  const replication = given.count('replication') ?? null;
  const classes = given.text('storage-classes')?.split(',').filter(Boolean) ?? null;
  const goal = {
    replicas: replication ?? (Number(target?.replication_desired) || facts.replication),
    storageClasses: classes ?? classesOf(target) ?? facts.defaultClasses,
  };
  checkClasses(goal.storageClasses, facts);
  const saver = createSaver({
    api: session.api,
    checkpoint,
    update,
    name,
    owner,
    replication,
    storageClasses: classes,
    signatureTtlSeconds: facts.signatureTtlSeconds,
    trashAt: trashTime(given.text('trash-after')),
    skipExisting: given.has('skip-existing'),
    canReplaceFiles: facts.canReplaceFiles,
  });
  return { goal, saver };
}

function classesOf(record: Row | null): string[] | null {
  const classes = record?.storage_classes_desired;
  return Array.isArray(classes) && classes.length > 0 ? classes.map(String) : null;
}

/** The time that lies so far ahead: days, or a duration such as 36h. @throws CliError with exit code 2 */
export function trashTime(text: string | undefined, now = Date.now()): string | null {
  if (text === undefined) return null;
  const time = new Date(now + secondsIn(text) * 1000);
  if (Number.isNaN(time.getTime()) || time.getUTCFullYear() > 9999 || time.getTime() <= now)
    throw usageError('--trash-after takes a number of days, or a duration such as 36h.');
  return time.toISOString();
}

function secondsIn(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * DAY_SECONDS;
  try {
    return parseDuration(text);
  } catch (error) {
    if (isKeepError(error)) return Number.NaN;
    throw error;
  }
}

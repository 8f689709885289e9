import { DurableObject } from 'cloudflare:workers';

export class TrashQueue extends DurableObject {}

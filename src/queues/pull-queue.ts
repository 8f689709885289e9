import { DurableObject } from 'cloudflare:workers';

export class PullQueue extends DurableObject {}

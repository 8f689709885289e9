/** Prometheus series by name and labels: of all isolates where they are gathered, else of the one that answers. */
export type Figures = Map<string, number>;

/** Reads the text of `/metrics`. */
export function parseMetrics(text: string): Figures {
  const found: Figures = new Map();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/.exec(line);
    if (match !== null) found.set(match[1] ?? '', Number(match[2]));
  }
  return found;
}

export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** All series of one name. */
export function samplesOf(figures: Figures, name: string): Sample[] {
  const samples: Sample[] = [];
  for (const [series, value] of figures) {
    if (series !== name && !series.startsWith(`${name}{`)) continue;
    const labels = Object.fromEntries(
      [...series.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]),
    );
    samples.push({ labels, value });
  }
  return samples;
}

/** Sums by what `key` says of the labels. */
export function sumBy(
  samples: readonly Sample[],
  key: (labels: Record<string, string>) => string,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { labels, value } of samples) sums.set(key(labels), (sums.get(key(labels)) ?? 0) + value);
  return sums;
}

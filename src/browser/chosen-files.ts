/** A file that is to be uploaded. */
export interface ChosenFile {
  /** Below the directory that the upload goes to, without a slash in front. */
  path: string;
  file: File;
  /** As it was when it was chosen: some browsers' `File` follows what happens to it on disk. */
  size: number;
  modified: number;
}

/** Whether a file is as it was when it was chosen, and can be read. */
export async function isAsChosen({ file, size, modified }: ChosenFile, offset: number): Promise<boolean> {
  if (file.size !== size || file.lastModified !== modified) return false;
  return file
    .slice(offset, offset + 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}

/** Files of an input, folders included. */
export function filesOfInput(input: HTMLInputElement): ChosenFile[] {
  return [...(input.files ?? [])].map((file) => chosen(file.webkitRelativePath || file.name, file));
}

/** Files and folders that were dropped. */
export async function filesOfDrop(transfer: DataTransfer): Promise<ChosenFile[]> {
  // Entries are lost once the event is over: they are all taken before anything is waited for.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: ChosenFile[] = [];
  const pending = entries.map((entry) => ({ entry, path: entry.name }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { entry, path } = next;
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      found.push(chosen(path, file));
    } else {
      const reader = (entry as FileSystemDirectoryEntry).createReader();
      for (let batch = await read(reader); batch.length > 0; batch = await read(reader))
        for (const child of batch) pending.push({ entry: child, path: `${path}/${child.name}` });
    }
  }
  return found;
}

function read(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function chosen(path: string, file: File): ChosenFile {
  return { path, file, size: file.size, modified: file.lastModified };
}

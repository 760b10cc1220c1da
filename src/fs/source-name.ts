// What the kernel calls a mount: its source in mountinfo(5), the first column of df.

export function sourceName(instance: string, backupId: string): string {
  return `pbkfs:${instance}/${backupId}`;
}

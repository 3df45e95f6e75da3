// Sizes as the log shows them beside their bytes: decimal units, two digits at least.
// Used where sizes of the state are logged.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `12 kB`, `6.0 MB`: in the largest unit that leaves a whole number. */
export function sizeText(bytes: number): string {
  let unit = 0;
  let size = bytes;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const isShort = unit > 0 && size < 10;
  // Rounded half up at the second digit, as in the log of etcd.
  const shown = isShort ? (Math.floor(size * 10 + 0.5) / 10).toFixed(1) : `${Math.round(size)}`;
  return `${shown} ${units[unit]}`;
}

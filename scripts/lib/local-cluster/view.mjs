// What scripts/local-cluster shows: a table that is drawn again in place on a terminal; otherwise
// the table once and then a line for each change. Called by main.mjs.

const columns = ['name', 'clients', 'peers', 'pid', 'storage', 'role'];

function row(member) {
  const { name, clientUrl, peerUrl, pid, engine, role } = member;
  return [name, clientUrl, peerUrl, String(pid ?? '-'), engine ?? '-', role];
}

/** The members as lines of text. */
export function table(members) {
  const rows = [columns.map((name) => name.toUpperCase()), ...members.map(row)];
  const widths = columns.map((_name, i) => Math.max(...rows.map((cells) => cells[i].length)));
  return rows.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}

/** Who leads, in words. */
export function leadership(members) {
  const leading = members.filter(({ role }) => role === 'leader');
  const [leader] = leading.sort((a, b) => Number(b.status.raftTerm - a.status.raftTerm));
  if (leader === undefined) return 'nobody leads';
  return `${leader.name} leads in term ${leader.status.raftTerm}`;
}

export class View {
  #out;
  #drawnLines = 0;
  #shown = '';
  #roles = new Map();
  #leadership = '';

  constructor(out) {
    this.#out = out;
  }

  /** Shows what has changed since the last call. */
  update(members) {
    if (this.#out.isTTY) this.#draw(members);
    else this.#tell(members);
  }

  /** Prints a line for good, above the table. */
  say(text) {
    this.#erase();
    this.#out.write(`${text}\n`);
    if (this.#out.isTTY) this.#shown = '';
  }

  #erase() {
    if (this.#drawnLines > 0) this.#out.write(`\x1b[${this.#drawnLines}A\x1b[J`);
    this.#drawnLines = 0;
  }

  #draw(members) {
    const lines = [...table(members), '', `${leadership(members)}; Ctrl-C stops them all`];
    const width = this.#out.columns ?? 100;
    const text = lines.map((line) => `${line.slice(0, width)}\n`).join('');
    if (text === this.#shown) return;
    this.#erase();
    this.#out.write(text);
    this.#drawnLines = lines.length;
    this.#shown = text;
  }

  #tell(members) {
    if (this.#shown === '') {
      this.#shown = 'table';
      this.#out.write(`${table(members).join('\n')}\n`);
    }
    const time = new Date().toTimeString().slice(0, 8);
    for (const { name, role } of members) {
      const before = this.#roles.get(name);
      this.#roles.set(name, role);
      if (before !== undefined && before !== role) this.#out.write(`${time} ${name}: ${role}\n`);
    }
    const leads = leadership(members);
    if (leads !== this.#leadership) this.#out.write(`${time} ${leads}\n`);
    this.#leadership = leads;
  }
}

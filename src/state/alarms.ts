// Active alarms, as the applied log says. Native code refuses writes by its own copy; this one
// answers Status and the health endpoints. Fed in log order.

/** Kinds of alarms, as numbered in the API. */
export const AlarmType = { None: 0, NoSpace: 1, Corrupt: 2 } as const;

export interface Alarm {
  readonly memberId: bigint;
  readonly alarm: number;
}

export class Alarms {
  #active: readonly Alarm[] = [];

  restore(alarms: readonly Alarm[]): void {
    this.#active = [...alarms];
  }

  /** One alarm was raised or cleared. */
  changed(memberId: bigint, alarm: number, active: boolean): void {
    const others = this.#active.filter((a) => a.memberId !== memberId || a.alarm !== alarm);
    this.#active = active ? [...others, { memberId, alarm }] : others;
  }

  list(): readonly Alarm[] {
    return this.#active;
  }

  has(alarm: number): boolean {
    return this.#active.some((a) => a.alarm === alarm);
  }
}

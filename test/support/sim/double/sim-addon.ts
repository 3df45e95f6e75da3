// The addon of a simulation: `open` gives a member its core over the disk that it has. The exports
// are those of the real addon.

import type { Addon, OpenedCore, OpenOptions } from '../../../../src/storage/native.js';
import { nativeErrorRows } from '../../fakes/native-errors.js';
import { noBackups, noNetwork, noPlane } from '../../fakes/no-network.js';
import { kinds, methods, routes } from './records.js';
import { type CoreParts, SimCore } from './sim-core.js';

const errors = nativeErrorRows();

/** The native code of a meaning. */
export function errorCode(name: string): number {
  const code = errors.findIndex((row) => row.name === name);
  if (code < 0) {
    throw new Error(`no error is called ${name}`);
  }
  return code;
}

/** For one life of one member. */
export class SimAddon implements Addon {
  readonly errors = errors;
  readonly methods = methods;
  readonly routes = routes;
  readonly completions = kinds;
  readonly entryFormat = 1;
  readonly currentAuthRevision = Number.MAX_SAFE_INTEGER;
  readonly network = noNetwork;
  readonly backups = noBackups;
  readonly syncSecondsBounds = [0.001];
  readonly batchEntriesBounds = [1];
  readonly metrics = [];
  readonly planeEvents = noPlane.planeEvents;
  readonly gateFlags = noPlane.gateFlags;
  readonly streamMarks = noPlane.streamMarks;
  readonly planeNumbers = noPlane.planeNumbers;
  readonly planeLibraries = noPlane.planeLibraries;

  sendDatagram(): number {
    return 0;
  }

  readonly #parts: Omit<CoreParts, 'onWake' | 'errorCode'>;
  core: SimCore | null = null;

  constructor(parts: Omit<CoreParts, 'onWake' | 'errorCode'>) {
    this.#parts = parts;
  }

  async open(options: OpenOptions, onWake: () => void): Promise<OpenedCore> {
    this.core = new SimCore({ ...this.#parts, onWake, errorCode });
    return { core: this.core, recovered: this.core.recovered(options.clusterId, options.memberId) };
  }
}

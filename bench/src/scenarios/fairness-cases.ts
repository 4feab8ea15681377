import type { Contestant, EndpointToAdd } from '../frame/contestant.js';
import type { LoadPlan } from '../frame/load.js';
import type { Stage } from '../frame/stage.js';

/** What shares the service with the quiet customers. */
export interface FairnessCase {
  name: string;
  title: string;
  /** How much longer the quiet ones may wait than alone: 1.2, or 2 where the neighbour uses the same CPU honestly. */
  goal: number;
  /** Of the quiet customers' events in this case. */
  quiet: { prefix: string; count: number; type: string };
  prepare(stage: Stage, contestant: Contestant): Promise<void>;
  backlog: LoadPlan;
}

export interface FairnessSizes {
  quietCustomers: number;
  backlog: number;
  hangingCustomers: number;
  /** The port of the receiver, for endpoints that are named. */
  receiverPort: number;
}

/** Names under it are never answered for. */
export const silentSuffix = '.silent.test';

const QUIET_TYPE = 'invoice.paid';
const FLOOD_TYPE = 'flood.made';

export function fairnessCases({ quietCustomers, backlog, hangingCustomers, receiverPort }: FairnessSizes) {
  const quiet = { prefix: 'quiet-', count: quietCustomers, type: QUIET_TYPE };
  const flood = (count: number): LoadPlan => ({
    customers: { prefix: 'flood-', count },
    events: backlog,
    type: FLOOD_TYPE,
    insist: true,
    connections: 16,
    payloadBytes: 256,
  });
  const one = (url: string): EndpointToAdd[] => [{ customerId: 'flood-0', url }];

  const hangingOne: FairnessCase = {
    name: 'hanging',
    title: `one with ${backlog} events, its endpoint hangs`,
    goal: 1.2,
    quiet,
    backlog: flood(1),
    async prepare({ receiver }, contestant) {
      await receiver.behave('hang', { kind: 'hang' });
      await contestant.addEndpoints(one(receiver.url('hang')));
    },
  };
  const fastOne: FairnessCase = {
    name: 'flooding',
    title: `one with ${backlog} events, its endpoint is fast`,
    goal: 2,
    quiet,
    backlog: flood(1),
    async prepare({ receiver }, contestant) {
      await contestant.addEndpoints(one(receiver.url('fast')));
    },
  };
  const manyHanging: FairnessCase = {
    name: 'many',
    title: `${hangingCustomers} whose endpoints hang, ${backlog} events in all`,
    goal: 2,
    quiet,
    backlog: flood(hangingCustomers),
    async prepare({ receiver }, contestant) {
      await receiver.behave('hang', { kind: 'hang' });
      await contestant.addEndpoints(
        Array.from({ length: hangingCustomers }, (_, index) => ({
          customerId: `flood-${index}`,
          url: receiver.url('hang', String(index)),
        })),
      );
    },
  };
  const silent = (customers: number) => (_stage: Stage, contestant: Contestant) =>
    contestant
      .addEndpoints(
        Array.from({ length: customers }, (_, index) => ({
          customerId: `flood-${index}`,
          url: `http://receiver-${index}${silentSuffix}:${receiverPort}/`,
        })),
      )
      .then(() => undefined);
  const silentName: FairnessCase = {
    name: 'dns',
    title: `one with ${backlog} events, its name is never resolved`,
    goal: 1.2,
    quiet,
    backlog: flood(1),
    prepare: silent(1),
  };
  const manySilentNames: FairnessCase = {
    name: 'many-dns',
    title: `${hangingCustomers} whose names are never resolved, ${backlog} events in all`,
    goal: 2,
    quiet,
    backlog: flood(hangingCustomers),
    prepare: silent(hangingCustomers),
  };
  const sameCustomer: FairnessCase = {
    name: 'sibling',
    title: `one customer, another endpoint of its own hangs with ${backlog} events`,
    goal: 1.2,
    quiet: { prefix: 'flood-', count: 1, type: QUIET_TYPE },
    backlog: flood(1),
    async prepare({ receiver }, contestant) {
      await receiver.behave('hang', { kind: 'hang' });
      await contestant.addEndpoints([
        {
          customerId: 'flood-0',
          url: receiver.url('quiet', 'sibling'),
          settings: { eventTypes: [QUIET_TYPE] },
        },
        { customerId: 'flood-0', url: receiver.url('hang'), settings: { eventTypes: [FLOOD_TYPE] } },
      ]);
    },
  };
  return { hangingOne, fastOne, manyHanging, silentName, sameCustomer, manySilentNames };
}

import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { startFloor } from '../floor/start-floor.js';
import type { Chart } from '../frame/chart.js';
import { countDelivered, untilRecorded, type Contestant } from '../frame/contestant.js';
import { startPosthorn } from '../frame/posthorn.js';
import { readProcessUsage, readRssBytes } from '../frame/process-usage.js';
import { runScenario } from '../frame/run-scenario.js';
import { openStage, type Stage } from '../frame/stage.js';
import { atLeast, atMost, rounded } from '../frame/target.js';
import { startNaive } from '../naive/start-naive.js';

/** Posthorn's defaults: 10 at once to an endpoint, 20 for a customer. */
const PER_ENDPOINT = 10;
const ENDPOINTS_PER_CUSTOMER = 2;
const TIMEOUT_MS = 60_000;
/** The naive service never has more in flight than its one Worker's concurrency: a few rounds show it. */
const NAIVE_EVENTS = 200;
const FILL_LIMIT_MS = 50_000;
const MB = 1e6;

interface Sample {
  second: number;
  inFlight: number;
  rssMb: number;
}

interface Outcome {
  contestant: string;
  wanted: number;
  most: number;
  /** Null when it never had all of them in flight. */
  fillSeconds: number | null;
  rssIdleMb: number;
  rssPeakMb: number;
  bytesPerDelivery: number | null;
  cpuPercentHolding: number;
  recorded: number;
  samples: Sample[];
}

await runScenario({
  name: 'concurrency',
  about:
    'deliveries in flight at once in one worker process, to endpoints that do not answer, and its memory',
  minutesMax: { long: 12, short: 3 },
  settings: {
    'in-flight': { long: 10_000, short: 1_000 },
    'hold-seconds': { long: 8, short: 3 },
    partitions: { long: 35, short: 16 },
  },
  async run({ settings, say, onEnd }) {
    const wanted = settings['in-flight'];
    checkFileLimit(wanted);
    const stage = await openStage();
    onEnd(stage.stop);
    const env = { POSTHORN_TIMEOUT_MS: String(TIMEOUT_MS) };
    const posthorn = await startPosthorn(stage, { partitionDays: settings.partitions, env });
    const floor = await startFloor(stage, { connections: 20_000 });
    const naive = await startNaive(stage);
    const lost: string[] = [];
    const outcomes: Outcome[] = [];

    const run = async (contestant: Contestant, deliveries: number, endpoints: number): Promise<void> => {
      const customers = Math.ceil(deliveries / PER_ENDPOINT / endpoints);
      await stage.receiver.behave(contestant.name, { kind: 'hang' });
      await contestant.addEndpoints(
        Array.from({ length: customers * endpoints }, (_, index) => ({
          customerId: `hang-${index % customers}`,
          url: stage.receiver.url(contestant.name, String(index)),
        })),
      );
      const outcome = await fillAndRelease(stage, contestant, {
        deliveries,
        customers,
        endpoints,
        holdSeconds: settings['hold-seconds'],
      });
      outcomes.push(outcome);
      const { most, rssPeakMb, recorded } = outcome;
      say(`${contestant.name.padEnd(8)}  ${most} in flight, ${rssPeakMb} MB, ${recorded} recorded`);
      if (recorded < deliveries) lost.push(`${contestant.name}: ${recorded} of ${deliveries} recorded`);
    };
    await run(posthorn, wanted, ENDPOINTS_PER_CUSTOMER);
    await run(floor, wanted, 1);
    await run(naive, NAIVE_EVENTS, 1);

    const [own] = outcomes;
    return {
      lost,
      targets: [
        atLeast('in flight at once in one worker', own?.most ?? 0, wanted),
        atMost('RSS of the worker, peak', own?.rssPeakMb ?? Number.NaN, 500, ' MB'),
        atLeast('of them recorded', own?.recorded ?? 0, wanted),
      ],
      tables: [
        {
          title: 'One worker process each; endpoints hang until all are in flight and then answer',
          columns: [
            '',
            'deliveries',
            'in flight at most',
            'after s',
            'RSS idle MB',
            'RSS peak MB',
            'bytes each',
            'CPU % holding',
            'recorded',
          ],
          rows: outcomes.map((outcome) => [
            outcome.contestant,
            outcome.wanted,
            outcome.most,
            outcome.fillSeconds ?? '-',
            outcome.rssIdleMb,
            outcome.rssPeakMb,
            outcome.bytesPerDelivery ?? '-',
            outcome.cpuPercentHolding,
            outcome.recorded,
          ]),
        },
      ],
      charts: charts(outcomes),
      data: outcomes,
    };
  },
});

interface Filling {
  deliveries: number;
  customers: number;
  endpoints: number;
  holdSeconds: number;
}

async function fillAndRelease(
  stage: Stage,
  contestant: Contestant,
  { deliveries, customers, endpoints, holdSeconds }: Filling,
): Promise<Outcome> {
  const workerPid = contestant.workers[0]?.pid ?? 0;
  const rssIdle = readRssBytes(workerPid);
  const samples: Sample[] = [];
  const startedMs = performance.now();
  const sample = async (): Promise<number> => {
    const inFlight = await stage.receiver.held();
    const second = rounded((performance.now() - startedMs) / 1000);
    samples.push({ second, inFlight, rssMb: Math.round(readRssBytes(workerPid) / MB) });
    return inFlight;
  };

  const load = stage.load.run(contestant, {
    customers: { prefix: 'hang-', count: customers },
    events: deliveries / endpoints,
  });
  let fillSeconds: number | null = null;
  let inFlight = 0;
  while (performance.now() - startedMs < FILL_LIMIT_MS) {
    const before = inFlight;
    inFlight = await sample();
    if (inFlight >= deliveries) {
      fillSeconds = rounded((performance.now() - startedMs) / 1000);
      break;
    }
    // Full, although there is more to send.
    if (contestant.name === 'naive' && inFlight > 0 && inFlight === before) break;
    await pause(500);
  }
  const cpuBefore = readProcessUsage(workerPid).cpuMs;
  const heldFromMs = performance.now();
  while (performance.now() - heldFromMs < holdSeconds * 1000) {
    await pause(500);
    await sample();
  }
  const cpuPercentHolding =
    (100 * (readProcessUsage(workerPid).cpuMs - cpuBefore)) / (performance.now() - heldFromMs);

  const most = Math.max(...samples.map((one) => one.inFlight));
  const { accepted } = await load;
  while (!(await untilRecorded(contestant, 300))) {
    await stage.receiver.release();
    await sample();
    if (performance.now() - startedMs > 4 * FILL_LIMIT_MS) break;
  }
  const rssPeak = readProcessUsage(workerPid).rssPeakBytes;
  return {
    contestant: contestant.name,
    wanted: accepted * endpoints,
    most,
    fillSeconds,
    rssIdleMb: Math.round(rssIdle / MB),
    rssPeakMb: Math.round(rssPeak / MB),
    bytesPerDelivery: fillSeconds === null ? null : Math.round((rssPeak - rssIdle) / most),
    cpuPercentHolding: rounded(cpuPercentHolding),
    recorded: await countDelivered(contestant),
    samples,
  };
}

/** Node takes as many file descriptors as the hard limit allows; every delivery in flight needs one. */
function checkFileLimit(inFlight: number): void {
  const hard = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  if (hard !== undefined && Number(hard) < inFlight + 500)
    throw new Error(
      `The limit of open files is ${hard}; ${inFlight} deliveries in flight need more (ulimit -Hn)`,
    );
}

function charts(outcomes: readonly Outcome[]): Chart[] {
  const lines = (of: (sample: Sample) => number) =>
    outcomes.map(({ contestant, samples }) => ({
      name: contestant,
      points: samples.map((sample) => [sample.second, of(sample)] as const),
    }));
  return [
    {
      kind: 'lines',
      name: 'in-flight',
      title: 'Deliveries in flight in one worker',
      xName: 'seconds',
      yName: 'deliveries',
      series: lines(({ inFlight }) => inFlight),
    },
    {
      kind: 'lines',
      name: 'memory',
      title: 'Memory of the worker',
      xName: 'seconds',
      yName: 'RSS MB',
      series: lines(({ rssMb }) => rssMb),
    },
  ];
}

import type { ChaosReport } from './run-chaos.js';

export function printReport(report: ChaosReport): void {
  const { producer, operator, apiLedger, duplicates, ledger, slowestEndMs, failures } = report;
  const lines: [string, string | number][] = [
    ['faults', report.faults.length],
    ...sorted(count(report.faults.map(({ kind }) => kind))).map(indented),
    ['requests of the producer', producer.requests],
    ['  without an answer', producer.unanswered],
    ['  answered 503', producer.unavailable],
    ['calls of the operator that were done', sum(operator.done)],
    ...sorted(operator.done).map(indented),
    ['  refused by state (409)', operator.conflicts],
    ['  without an answer, or 503', operator.unavailable],
    ['accepted (distinct events)', report.accepted],
    ['events in Postgres', report.eventsInPostgres],
    ['deliveries', sum(report.deliveries)],
    ...sorted(report.deliveries).map(indented),
    ['attempts recorded', sum(report.attempts)],
    ...sorted(report.attempts).map(indented),
    ['lost', report.lost.length],
    ['unfinished at the deadline', report.unfinished],
    ['delivered without receipt', report.deliveredWithoutReceipt],
    ['duplicates received', duplicates.total],
    ...sorted(duplicates.byCause).map(indented),
    [
      'ledger',
      `${ledger.accepted} accepted, ${ledger.counted} counted: ${ledger.balances ? 'balances' : 'WRONG'}`,
    ],
    [
      'ledger by the API, read meanwhile',
      `${operator.ledgerReads} times: ${operator.ledgerWrong.length} did not balance`,
    ],
    [
      'ledger by the API, at the end',
      `${apiLedger.total.accepted} accepted, ${apiLedger.read} read: ${apiLedger.problems.length === 0 ? 'balance' : 'WRONG'}`,
    ],
    ['deliveries replayed', operator.replayed],
    ['  never sent again', report.replaysNotSent.length],
    [
      'slowest end after the last fault',
      slowestEndMs === null ? '-' : `${(slowestEndMs / 1000).toFixed(1)} s`,
    ],
    ['processes that ended by themselves', sum(mapped(report.ownEnds, ({ whileRunning }) => whileRunning))],
    [
      '  while starting, a service being away',
      sum(mapped(report.ownEnds, ({ whileStarting }) => whileStarting)),
    ],
  ];
  process.stdout.write('\n');
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(52)} ${value}\n`);
  process.stdout.write(
    failures.length === 0 ? '\nkept both promises\n' : `\nFAILED\n  ${failures.join('\n  ')}\n`,
  );
  if (failures.length > 0) process.stdout.write(`logs and data are kept in ${report.folder}\n`);
}

function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, some) => total + some, 0);
}

function sorted(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
}

function indented([name, value]: [string, number]): [string, number] {
  return [`  ${name}`, value];
}

function mapped<T>(record: Record<string, T>, of: (value: T) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value)]));
}

import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';

type Connected = Awaited<ReturnType<PrismaPg['connect']>>;
type Transaction = Awaited<ReturnType<Connected['startTransaction']>>;

/**
 * Prisma's adapter for `pg`, one statement at a time in a transaction. Prisma reads the relations of a row all at once,
 * also in a transaction, which has one connection; the driver would queue them, which it warns of and will refuse.
 */
export function createPrismaAdapter(pool: pg.Pool, schema: string | null): PrismaPg {
  // It names the schema in every statement, in quotes, and leaves those that the name itself has as they are.
  const adapter = new PrismaPg(pool, schema === null ? {} : { schema: schema.replaceAll('"', '""') });
  const connect = adapter.connect.bind(adapter);
  adapter.connect = async () => {
    const connected = await connect();
    const start = connected.startTransaction.bind(connected);
    connected.startTransaction = async (isolationLevel) => oneAtATime(await start(isolationLevel));
    return connected;
  };
  return adapter;
}

function oneAtATime(transaction: Transaction): Transaction {
  let last: Promise<unknown> = Promise.resolve();
  const inOrder =
    <Query, Result>(run: (query: Query) => Promise<Result>) =>
    (query: Query): Promise<Result> => {
      const result = last.then(() => run(query));
      last = result.catch(() => undefined);
      return result;
    };
  transaction.queryRaw = inOrder(transaction.queryRaw.bind(transaction));
  transaction.executeRaw = inOrder(transaction.executeRaw.bind(transaction));
  return transaction;
}

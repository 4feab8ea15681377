import type { Config } from '@posthorn/runtime';

import { logFileName } from './data-folder.js';

export interface SummaryFacts {
  config: Pick<Config, 'databaseUrl' | 'redisUrl' | 'adminKey' | 'publicUrl'>;
  dataDir: string;
  url: string;
  adminKey: string;
  delivery: string;
}

/** What a person who typed `npm start` needs to know, in a few lines. */
export function summaryOf({ config, dataDir, url, adminKey, delivery }: SummaryFacts): string {
  const base = config.publicUrl ?? url;
  const postgres = config.databaseUrl === null ? 'embedded Postgres' : 'Postgres of DATABASE_URL';
  const redis = config.redisUrl === null ? 'private Redis' : 'Redis of REDIS_URL';
  const facts: [string, string][] = [
    ['Base URL', base],
    ['Docs', `${base}/docs`],
    ['Admin key', `${adminKey}${config.adminKey === null ? '' : ' (POSTHORN_ADMIN_KEY)'}`],
    ['Data', `${dataDir} (${postgres}, ${redis}, log in ${logFileName})`],
    ['Targets', 'public addresses, and loopback because this is dev'],
    ['Demo delivery', delivery],
  ];
  const lines = facts.map(([name, value]) => `  ${name.padEnd(15)}${value}`);
  return `\nPosthorn is running. Ctrl-C stops it.\n\n${lines.join('\n')}\n\n`;
}

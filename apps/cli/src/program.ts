import { createRequire } from 'node:module';
import type { Environment } from '@posthorn/runtime';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';

import type { ClientOptions, PageOptions } from './client-options.js';
import { errorText } from './command-error.js';
import type { ListDeliveriesOptions } from './commands/deliveries.js';
import type { SendEventOptions } from './commands/events.js';
import type { CreateKeyOptions } from './commands/keys.js';
import type { ListReplaysOptions, ShowReplayOptions, StartReplayOptions } from './commands/replays.js';
import type { ReencryptOptions } from './commands/reencrypt-keys.js';

/** Runs one command and returns the exit code. Each command's code is loaded when it is run. */
export async function runProgram(args: readonly string[], env: Environment): Promise<number> {
  let exitCode = 0;
  const program = new Command('posthorn')
    .description('Self-hosted webhook delivery')
    .version(version())
    .showHelpAfterError('(posthorn --help lists the commands)')
    .configureHelp({ showGlobalOptions: true });

  program
    .command('dev')
    .description('run everything on this machine, with an embedded Postgres and a private Redis')
    .action(async () => {
      const { dev } = await import('./commands/dev.js');
      exitCode = await dev(env);
    });
  program
    .command('serve')
    .description('run roles with the Postgres of DATABASE_URL and the Redis of REDIS_URL')
    .addArgument(new Argument('[roles...]', 'default: all of them').choices(['ingest', 'worker', 'console']))
    .action(async (roles: string[]) => {
      const { serve } = await import('./commands/serve.js');
      exitCode = await serve(env, roles);
    });
  program
    .command('migrate')
    .description('update the tables of DATABASE_URL and create partitions for the coming days')
    .action(async () => {
      const { migrate } = await import('./commands/migrate.js');
      await migrate(env);
    });
  addKeyCommands(program, env);
  addEventCommands(program, env);
  addDeliveryCommands(program, env);
  addReplayCommands(program, env);

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    process.stderr.write(`${await errorText(error)}\n`);
    return 1;
  }
}

function addKeyCommands(program: Command, env: Environment): void {
  const keys = program
    .command('keys')
    .description('create, list and revoke API keys; change the encryption key');
  const scopes = new Option(
    '--scopes <scopes>',
    'events:write, deliveries:write, read or admin; several separated by commas',
  ).argParser(commaSeparated);
  required(client(keys.command('create')), scopes)
    .description('create an API key and show it once')
    .option('--name <name>', 'what the key is for')
    .option('--customer <id>', 'limit the key to one customer')
    .action(async (options: CreateKeyOptions) => {
      const { createKey } = await import('./commands/keys.js');
      await createKey(env, options);
    });
  client(paged(keys.command('list')))
    .description('list the valid API keys')
    .action(async (options: PageOptions) => {
      const { listKeys } = await import('./commands/keys.js');
      await listKeys(env, options);
    });
  client(keys.command('revoke'))
    .description('revoke an API key')
    .argument('<id>', 'the id of the key, key_…')
    .action(async (id: string, options: ClientOptions) => {
      const { revokeKey } = await import('./commands/keys.js');
      await revokeKey(env, id, options);
    });
  keys
    .command('reencrypt')
    .description('re-encrypt everything in DATABASE_URL with the first key of POSTHORN_ENCRYPTION_KEYS')
    .option('--dry-run', 'count what is encrypted with each key, and change nothing')
    .option('--json', 'print JSON')
    .action(async (options: ReencryptOptions) => {
      const { reencryptKeys } = await import('./commands/reencrypt-keys.js');
      await reencryptKeys(env, options);
    });
}

function addEventCommands(program: Command, env: Environment): void {
  const events = program.command('events').description('send events');
  required(client(events.command('send')), new Option('--customer <id>', 'the customer of the event'))
    .description('send one event')
    .argument('<type>', 'such as invoice.paid')
    .option('--data <json>', 'the data: JSON, @file, or - for standard input', '{}')
    .option('--external-id <id>', 'your own id of the event')
    .option('--timestamp <time>', 'your own time of the event, ISO 8601')
    .option('--idempotency-key <key>', 'a second request with the same key creates nothing')
    .action(async (type: string, options: SendEventOptions) => {
      const { sendEvent } = await import('./commands/events.js');
      await sendEvent(env, type, options);
    });
}

function addDeliveryCommands(program: Command, env: Environment): void {
  const deliveries = program.command('deliveries').description('show deliveries and their attempts');
  client(paged(deliveries.command('list')))
    .description('list deliveries, newest first')
    .option('--customer <id>')
    .option('--endpoint <id>')
    .option('--event <id>')
    .option('--type <type>', 'event type')
    .addOption(
      new Option('--status <status>').choices(['pending', 'held', 'delivered', 'dead_lettered', 'cancelled']),
    )
    .option('--since <time>', 'ISO 8601, inclusive')
    .option('--until <time>', 'ISO 8601, exclusive')
    .action(async (options: ListDeliveriesOptions) => {
      const { listDeliveries } = await import('./commands/deliveries.js');
      await listDeliveries(env, options);
    });
  client(deliveries.command('show'))
    .description('show one delivery and its attempts')
    .argument('<id>', 'the id of the delivery, dlv_…')
    .action(async (id: string, options: ClientOptions) => {
      const { showDelivery } = await import('./commands/deliveries.js');
      await showDelivery(env, id, options);
    });
  client(program.command('replay'))
    .description('send one delivery again, whatever its status')
    .argument('<delivery>', 'the id of the delivery, dlv_…')
    .action(async (id: string, options: ClientOptions) => {
      const { replayDelivery } = await import('./commands/deliveries.js');
      await replayDelivery(env, id, options);
    });
}

function addReplayCommands(program: Command, env: Environment): void {
  const replays = program.command('replays').description('replay all deliveries that match a filter');
  required(client(replays.command('start')), new Option('--customer <id>', 'the customer of the deliveries'))
    .description('count the deliveries that match; with --yes, replay them and show the progress')
    .option('--endpoint <id>')
    .addOption(
      new Option('--status <status>', 'default: dead_lettered').choices([
        'dead_lettered',
        'cancelled',
        'delivered',
      ]),
    )
    .option('--type <type>', 'event type')
    .option('--since <time>', 'ISO 8601, inclusive: when the event was accepted')
    .option('--until <time>', 'ISO 8601, exclusive')
    .option('--yes', 'replay them')
    .action(async (options: StartReplayOptions) => {
      const { startReplay } = await import('./commands/replays.js');
      await startReplay(env, options);
    });
  client(paged(replays.command('list')))
    .description('list replays, newest first')
    .option('--customer <id>')
    .addOption(new Option('--state <state>').choices(['running', 'paused', 'completed', 'cancelled']))
    .action(async (options: ListReplaysOptions) => {
      const { listReplays } = await import('./commands/replays.js');
      await listReplays(env, options);
    });
  client(replays.command('show'))
    .description('show the progress of a replay')
    .argument('<id>', 'the id of the replay, rpl_…')
    .option('--watch', 'watch until it finishes')
    .action(async (id: string, options: ShowReplayOptions) => {
      const { showReplay } = await import('./commands/replays.js');
      await showReplay(env, id, options);
    });
  for (const [change, description] of [
    ['pause', 'pause a running replay'],
    ['resume', 'resume a paused replay'],
    ['cancel', 'end a replay; deliveries that it already opened are still sent'],
  ] as const) {
    client(replays.command(change))
      .description(description)
      .argument('<id>', 'the id of the replay, rpl_…')
      .action(async (id: string, options: ClientOptions) => {
        const { changeReplay } = await import('./commands/replays.js');
        await changeReplay(env, id, change, options);
      });
  }
}

/** Asked for only when all that was given is known: `--scope` is a misspelt `--scopes`, not a missing one. */
function required(command: Command, option: Option): Command {
  return command.addOption(option).hook('preAction', (_, run) => {
    if (run.getOptionValue(option.attributeName()) === undefined)
      run.error(`error: required option '${option.flags}' not specified`);
  });
}

/** The options of every command that talks to a running Posthorn. */
function client(command: Command): Command {
  return command
    .option('--url <url>', 'address of Posthorn (POSTHORN_URL; default: the `dev` of this folder)')
    .option('--key <key>', 'API key (POSTHORN_API_KEY; default: the key of that `dev`)')
    .option('--json', 'print JSON');
}

function paged(command: Command): Command {
  return command
    .option('--limit <n>', 'rows, at most 250', wholeNumber, 20)
    .option('--cursor <cursor>', 'continue after an earlier page');
}

function commaSeparated(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

function version(): string {
  return (createRequire(import.meta.url)('../package.json') as { version: string }).version;
}

import type { ReadyCheckResource, ReadyResource } from '@posthorn/api-contract';

export interface ReadyCheckResult {
  ok: boolean;
  /** Shown to anybody: no addresses, no credentials. */
  detail?: string;
}

export interface ReadyCheck {
  name: string;
  check(): Promise<ReadyCheckResult>;
  /** True unless told: without it the process cannot serve. */
  required?: boolean;
}

/** All at once; a check that throws or does not answer in time has failed. */
export async function runReadyChecks(checks: readonly ReadyCheck[]): Promise<ReadyResource> {
  const results = await Promise.all(
    checks.map(async (check) => [check.name, await runCheck(check)] as const),
  );
  const failed = results.filter(([, { ok }]) => !ok);
  return {
    status:
      failed.length === 0 ? 'ready' : failed.some(([, { required }]) => required) ? 'not_ready' : 'degraded',
    checks: Object.fromEntries(results),
  };
}

const checkTimeoutMs = 2_000;

async function runCheck(check: ReadyCheck): Promise<ReadyCheckResource> {
  const startedMs = performance.now();
  const { ok, detail } = await limited(check);
  const { required = true } = check;
  const latencyMs = Math.round(performance.now() - startedMs);
  return { ok, required, latencyMs, ...(detail !== undefined && { detail }) };
}

async function limited(check: ReadyCheck): Promise<ReadyCheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReadyCheckResult>((resolve) => {
    timer = setTimeout(
      () => resolve({ ok: false, detail: `no answer within ${checkTimeoutMs} ms` }),
      checkTimeoutMs,
    );
  });
  try {
    return await Promise.race([check.check(), late]);
  } catch {
    // The message may name hosts and users; who runs the check logs it.
    return { ok: false, detail: 'failed' };
  } finally {
    clearTimeout(timer);
  }
}

import { startFloor } from './floor/start-floor.js';
import type { Contestant } from './frame/contestant.js';
import { startPosthorn, type Posthorn, type PosthornOptions } from './frame/posthorn.js';
import type { Stage } from './frame/stage.js';
import { startNaive } from './naive/start-naive.js';

export interface Contestants {
  posthorn: Posthorn;
  floor: Contestant;
  naive: Contestant;
  all: readonly Contestant[];
}

/** Posthorn and what it is compared with, side by side on one stage. */
export async function startContestants(stage: Stage, options: PosthornOptions = {}): Promise<Contestants> {
  const posthorn = await startPosthorn(stage, options);
  const floor = await startFloor(stage);
  const naive = await startNaive(stage);
  return { posthorn, floor, naive, all: [posthorn, floor, naive] };
}

/** An endpoint each for customers `<prefix>0 … count − 1`, in the receiver's group of that name. */
export function addCustomers(
  stage: Stage,
  contestant: Contestant,
  { prefix, count, group = contestant.name }: { prefix: string; count: number; group?: string },
  settings: Record<string, unknown> = {},
): Promise<string[]> {
  return contestant.addEndpoints(
    Array.from({ length: count }, (_, index) => ({
      customerId: `${prefix}${index}`,
      url: stage.receiver.url(group, String(index)),
      settings,
    })),
  );
}

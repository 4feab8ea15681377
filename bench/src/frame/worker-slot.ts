import { startChild, type Child } from './child-process.js';
import type { Stage } from './stage.js';

/** One worker process of ours that can be stopped and started again. */
export async function startWorkerSlot(stage: Stage, file: URL, env: Record<string, string>) {
  const running: Child<unknown>[] = [];
  const start = async (): Promise<void> => {
    if (running.length === 0) running.push(await startChild(file, { env }));
  };
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map((child) => child.stop()));
  };
  stage.onStop(stop);
  await start();
  return {
    running,
    start,
    stop,
    async restart() {
      await stop();
      await start();
    },
  };
}

/** Runs `task` every `everyMs`, one run at a time; gives the function that ends it. */
export function repeatTask(
  everyMs: number,
  task: () => Promise<unknown>,
  onError: (error: unknown) => void,
): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    task()
      .catch(onError)
      .finally(() => {
        running = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}

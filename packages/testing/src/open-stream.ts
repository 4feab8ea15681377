/** A message of a stream of server-sent events, `data` parsed. */
export interface StreamMessage {
  event: string;
  data: Record<string, Record<string, unknown>>;
}

export interface OpenStream {
  status: number;
  messages: StreamMessage[];
  /** The last `id` that came. */
  lastId(): string | undefined;
  /** All of it as it came. */
  text(): string;
  ended(): boolean;
  /** Whether it was cut off rather than ended. */
  failed(): boolean;
  close(): void;
}

/** Reads a stream of server-sent events until either side ends it. */
export async function openStream(
  url: string,
  { token, lastEventId }: { token: string; lastEventId?: string | undefined },
): Promise<OpenStream> {
  const abort = new AbortController();
  const response = await fetch(url, {
    signal: abort.signal,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(lastEventId !== undefined && { 'Last-Event-ID': lastEventId }),
    },
  });
  const messages: StreamMessage[] = [];
  let text = '';
  let rest = '';
  let lastId: string | undefined;
  let ended = false;
  let failed = false;

  const take = (block: string): void => {
    const field = (name: string) =>
      block
        .split('\n')
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
    lastId = field('id') ?? lastId;
    const [event, data] = [field('event'), field('data')];
    if (event !== undefined && data !== undefined)
      messages.push({ event, data: JSON.parse(data) as StreamMessage['data'] });
  };
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const more = decoder.decode(chunk as Uint8Array, { stream: true });
      text += more;
      const blocks = (rest + more).split('\n\n');
      rest = blocks.pop() ?? '';
      blocks.forEach(take);
    }
  };
  void read()
    .catch(() => (failed = true))
    .finally(() => (ended = true));

  return {
    status: response.status,
    messages,
    lastId: () => lastId,
    text: () => text,
    ended: () => ended,
    failed: () => failed,
    close: () => abort.abort(),
  };
}

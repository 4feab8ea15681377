/** The first bytes of a response body; the rest is not read. */
export class ResponseExcerpt {
  #chunks: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  constructor(readonly bytesMax: number) {}

  /** False once the body turned out longer than what is kept. */
  add(chunk: Buffer): boolean {
    const room = this.bytesMax - this.#bytes;
    this.truncated = chunk.length > room;
    const kept = this.truncated ? chunk.subarray(0, room) : chunk;
    this.#bytes += kept.length;
    this.#chunks.push(kept);
    return !this.truncated;
  }

  /** A copy, so that the socket's larger read buffers can go. Null for an empty body. */
  toBuffer(): Buffer | null {
    return this.#bytes === 0 ? null : Buffer.concat(this.#chunks, this.#bytes);
  }
}

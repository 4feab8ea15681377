/** What was counted in a window of time. */
export interface WindowCount {
  /** With what was just added. */
  total: number;
  /** Until the window ends and counting begins anew. */
  msLeft: number;
}

/** Counts for all processes together. */
export interface WindowCounter {
  /** Adds to the window of this name, which begins when the first is added. Rejects when nobody can count. */
  add(name: string, points: number, windowSeconds: number): Promise<WindowCount>;
  close(): void;
}

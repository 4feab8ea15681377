/** One shard for now. The hash tag keeps all keys of a shard in one slot of a Redis Cluster. */
export const defaultPrefix = '{ph:0}';

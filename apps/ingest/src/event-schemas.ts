import { compileEventSchema, type EventSchemaCheck, type FieldError } from '@posthorn/api-contract';
import type { ChangeKind, EventTypeStore } from '@posthorn/database';
import type { Logger } from '@posthorn/runtime';

export interface EventSchemas {
  /** What is wrong with the data of an event of this type; empty when it fits or nothing is asked of it. */
  check(type: string, data: unknown): Promise<FieldError[]>;
  onChange(kind: ChangeKind, id: string): void;
  onGap(): void;
}

/**
 * The schemas of the catalogue, compiled, all of them in memory: most types have none, and an event must not wait for a
 * look-up to learn that. Read anew when the change feed says so, at most a second after the change.
 */
export function createEventSchemas(store: Pick<EventTypeStore, 'readSchemas'>, logger: Logger): EventSchemas {
  let loaded: Promise<Map<string, EventSchemaCheck>> | undefined;

  async function load(): Promise<Map<string, EventSchemaCheck>> {
    const checks = new Map<string, EventSchemaCheck>();
    for (const [name, schema] of await store.readSchemas()) {
      const compiled = compileEventSchema(schema);
      if (compiled.ok) checks.set(name, compiled.check);
      // It was compiled when it was put; another version of Posthorn may have done that.
      else logger.error('event_type.schema_unusable', { type: name, problem: compiled.message });
    }
    return checks;
  }

  function checks(): Promise<Map<string, EventSchemaCheck>> {
    if (loaded) return loaded;
    const loading = load();
    loaded = loading;
    loading.catch(() => {
      if (loaded === loading) loaded = undefined;
    });
    return loading;
  }

  return {
    async check(type, data) {
      return (await checks()).get(type)?.(data) ?? [];
    },
    onChange(kind) {
      if (kind === 'event_type') loaded = undefined;
    },
    onGap() {
      loaded = undefined;
    },
  };
}

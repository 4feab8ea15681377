import { parseUrl } from '@posthorn/domain';

import { pointerTokens } from './pointer.js';

/** A schema and whatever stands in it without an `$id` of its own. */
export interface Resource {
  readonly uri: string;
  readonly root: unknown;
  readonly anchors: ReadonlyMap<string, unknown>;
  /** Those of the anchors that `$dynamicRef` looks for in the dynamic scope. */
  readonly dynamicAnchors: ReadonlyMap<string, unknown>;
}

/** A schema with the resource that it stands in. `dynamicName`: it was found by this dynamic anchor. */
export interface Located {
  readonly schema: unknown;
  readonly resource: Resource;
  readonly dynamicName?: string;
}

class UnresolvedReference extends Error {
  override readonly name = 'UnresolvedReference';
}

/** The schemas of one document by their URIs. References lead to these and to the meta-schemas, nowhere else. */
export class Registry {
  readonly #resources = new Map<string, Resource>();
  readonly #homes = new Map<object, Resource>();

  constructor(readonly shared: Registry | null = null) {}

  /** Adds a document. Throws UnresolvedReference for an `$id` that is no URI or stands there twice. */
  add(schema: unknown, uri: string): Resource {
    return this.#addResource(schema, this.#ownUri(schema, uri));
  }

  /** Every schema that was found in the documents added. */
  schemas(): IterableIterator<[object, Resource]> {
    return this.#homes.entries();
  }

  /** What `reference`, written in `from`, leads to. */
  resolve(reference: string, from: Resource): Located {
    const [uri = '', fragment = ''] = resolveUri(reference, from.uri).split('#');
    const resource = this.find(uri);
    if (!resource)
      throw unresolved(
        reference,
        'leads out of the schema, which may refer to itself and to the meta-schemas only',
      );
    const name = decode(fragment);
    if (name === '') return { schema: resource.root, resource };
    if (name.startsWith('/')) return this.#follow(name, resource, reference);
    const schema = resource.anchors.get(name);
    if (schema === undefined) throw unresolved(reference, 'names an anchor that is not there');
    return { schema, resource, ...(resource.dynamicAnchors.has(name) && { dynamicName: name }) };
  }

  /** Adds a schema that stands in a keyword which the standard does not know: what names it has there count for nothing. */
  addUnknown(root: unknown, resource: Resource): void {
    const open = [root];
    for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
      if (!isObject(schema) || this.#homes.has(schema)) continue;
      this.#homes.set(schema, resource);
      open.push(...partsOf(schema));
    }
  }

  find(uri: string): Resource | undefined {
    return this.#resources.get(uri) ?? this.shared?.find(uri);
  }

  /** The resource that a schema stands in. */
  homeOf(schema: unknown): Resource | undefined {
    if (!isObject(schema)) return undefined;
    return this.#homes.get(schema) ?? this.shared?.homeOf(schema);
  }

  #follow(pointer: string, resource: Resource, reference: string): Located {
    let at: Located = { schema: resource.root, resource };
    for (const token of pointerTokens(pointer)) {
      const { schema } = at;
      if (!isObject(schema) || !Object.hasOwn(schema, token)) throw unresolved(reference, 'leads to nothing');
      const next = (schema as Record<string, unknown>)[token];
      at = { schema: next, resource: this.homeOf(next) ?? at.resource };
    }
    return at;
  }

  #ownUri(schema: unknown, base: string): string {
    const id = isObject(schema) ? (schema as { $id?: unknown }).$id : undefined;
    return typeof id === 'string' ? resolveUri(id, base).replace(/#.*$/s, '') : base;
  }

  #addResource(root: unknown, uri: string): Resource {
    if (this.#resources.has(uri))
      throw new UnresolvedReference(`two schemas have the $id ${JSON.stringify(uri)}`);
    const resource = {
      uri,
      root,
      anchors: new Map<string, unknown>(),
      dynamicAnchors: new Map<string, unknown>(),
    };
    this.#resources.set(uri, resource);
    const open = [root];
    for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
      if (!isObject(schema)) continue;
      const uriWithin = schema === root ? uri : this.#ownUri(schema, uri);
      if (uriWithin !== uri) {
        this.#addResource(schema, uriWithin);
        continue;
      }
      this.#homes.set(schema, resource);
      const { $anchor, $dynamicAnchor } = schema as { $anchor?: unknown; $dynamicAnchor?: unknown };
      if (typeof $anchor === 'string') resource.anchors.set($anchor, schema);
      if (typeof $dynamicAnchor === 'string') {
        resource.anchors.set($dynamicAnchor, schema);
        resource.dynamicAnchors.set($dynamicAnchor, schema);
      }
      open.push(...partsOf(schema));
    }
    return resource;
  }
}

const oneSchema = [
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
];
const listOfSchemas = ['allOf', 'anyOf', 'oneOf', 'prefixItems'];
const mapOfSchemas = [
  '$defs',
  'definitions',
  'dependencies',
  'dependentSchemas',
  'patternProperties',
  'properties',
];

/** The schemas that stand directly in one. What is in a keyword that the standard does not know is not one. */
function partsOf(schema: object): unknown[] {
  const members = schema as Record<string, unknown>;
  const own = (names: readonly string[]) =>
    names.filter((name) => Object.hasOwn(members, name)).map((name) => members[name]);
  return [
    ...own(oneSchema),
    ...own(listOfSchemas).flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : [])),
    ...own(mapOfSchemas).flatMap((map): unknown[] => (isObject(map) ? Object.values(map) : [])),
  ];
}

function unresolved(reference: string, why: string): UnresolvedReference {
  return new UnresolvedReference(`the reference ${JSON.stringify(reference)} ${why}`);
}

export function noSchema(reference: string, why: string): UnresolvedReference {
  return unresolved(reference, `leads to what is no schema: ${why}`);
}

function resolveUri(reference: string, base: string): string {
  const url = parseUrl(reference, base);
  if (url === null) throw new UnresolvedReference(`${JSON.stringify(reference)} is no URI reference`);
  return url.href;
}

function decode(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

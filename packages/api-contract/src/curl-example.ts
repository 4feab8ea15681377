import type { OpenApiOperation } from './openapi-document.js';

/** The operation as a shell command, with `$API` for the server and `$KEY` for who asks. */
export function curlExample(method: string, path: string, operation: OpenApiOperation): string {
  const { parameters = [], requestBody, security } = operation;
  const target = path.replace(/\{(\w+)\}/g, (match, name: string) => {
    const example = parameters.find((one) => one.in === 'path' && one.name === name)?.example;
    return example === undefined ? match : String(example);
  });
  const [mediaType, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const key = parameters.find((one) => one.name === 'Idempotency-Key');
  const parts = [
    method === 'get' || (method === 'post' && content)
      ? `curl $API${target}`
      : `curl -X ${method.toUpperCase()} $API${target}`,
    ...(security.length > 0 ? [`-H "Authorization: Bearer $KEY"`] : []),
    ...(key ? [`-H 'Idempotency-Key: ${String(key.example)}'`] : []),
    ...(mediaType !== undefined && content
      ? [
          `-H 'Content-Type: ${mediaType}'`,
          `-d '${JSON.stringify(content.example, null, 2).replaceAll("'", String.raw`'\''`)}'`,
        ]
      : []),
  ];
  return parts.join(' \\\n  ');
}

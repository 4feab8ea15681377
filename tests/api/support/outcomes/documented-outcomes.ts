import type { OpenApiDocument, OpenApiOperation, ProblemCode } from '@posthorn/api-contract';

/** One way in which an operation can be answered, by its document. */
export interface Outcome {
  /** `202`, or with the code of a problem: `409 conflict`. */
  name: string;
  status: number;
  code: ProblemCode | null;
}

/** Every outcome that the document has for the operation: each status, each code of a problem. */
export function documentedOutcomes(document: OpenApiDocument, { responses }: OpenApiOperation): Outcome[] {
  return Object.entries(responses).flatMap(([text, documented]): Outcome[] => {
    const status = Number(text);
    const response =
      '$ref' in documented
        ? document.components.responses[documented.$ref.split('/').at(-1) ?? '']
        : documented;
    const codes = response?.['x-problem-codes'];
    if (!codes) return [{ name: text, status, code: null }];
    return codes.map((code) => ({ name: `${text} ${code}`, status, code }));
  });
}

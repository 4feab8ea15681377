import type { JsonSchema } from './json-schema.js';
import type { ProblemCode } from './problem.js';

export interface OpenApiDocument {
  openapi: '3.1.1';
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, OpenApiOperation>>;
  /** What Posthorn sends: operational events, by type. */
  webhooks: Record<string, { post: OpenApiWebhook }>;
  components: {
    schemas: Record<string, JsonSchema>;
    responses: Record<string, OpenApiResponse>;
    securitySchemes: Record<string, unknown>;
  };
}

export interface OpenApiOperation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security: Record<string, string[]>[];
  parameters?: OpenApiParameter[];
  requestBody?: { required: boolean; content: OpenApiContent };
  responses: Record<string, OpenApiResponse | { $ref: string }>;
}

export interface OpenApiWebhook {
  summary: string;
  description: string;
  tags: string[];
  requestBody: { required: true; content: OpenApiContent };
  responses: Record<string, OpenApiResponse>;
}

export interface OpenApiParameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  description?: string;
  example?: string | number;
  schema: JsonSchema;
}

export interface OpenApiResponse {
  description: string;
  /** Of an error: the codes that its problem document can have here. */
  'x-problem-codes'?: ProblemCode[];
  headers?: Record<string, OpenApiHeader>;
  content?: OpenApiContent;
}

export interface OpenApiHeader {
  description?: string;
  /** True: every such answer has it. */
  required?: boolean;
  schema: JsonSchema;
}

export type OpenApiContent = Record<string, { schema: JsonSchema; example?: unknown }>;

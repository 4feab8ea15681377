import js from '@eslint/js';
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

const at = (type, pattern) => ({ type, pattern });
const packages = [
  'domain',
  'runtime',
  'database',
  'queue',
  'sender',
  'delivery',
  'api-contract',
  'http',
  'embedded',
];
const apps = ['ingest', 'console', 'worker', 'cli'];

// Imports point down only: domain <- database | queue | sender <- delivery <- apps; siblings do not know each other.
const mayImport = {
  domain: [],
  runtime: [],
  embedded: [],
  'api-contract': ['domain'],
  database: ['domain', 'runtime'],
  queue: ['domain', 'runtime'],
  sender: ['domain', 'runtime'],
  delivery: ['domain', 'runtime', 'database', 'queue', 'sender'],
  http: ['domain', 'runtime', 'database', 'api-contract'],
  testing: ['domain', 'runtime', 'database', 'embedded'],
  ingest: ['domain', 'runtime', 'database', 'api-contract', 'http', 'delivery'],
  console: ['domain', 'runtime', 'database', 'queue', 'api-contract', 'http', 'delivery'],
  worker: ['domain', 'runtime', 'database', 'queue', 'sender', 'delivery'],
  cli: [...packages, 'ingest', 'console', 'worker'],
  bench: ['embedded', 'database', 'domain', 'queue'],
};

export default tseslint.config(
  { ignores: ['**/dist/', '**/generated/', 'coverage/', '.posthorn/', 'bench/results/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { boundaries },
    settings: {
      'import/resolver': {
        typescript: {
          project: './tsconfig.json',
          conditionNames: ['posthorn-source', 'import', 'node', 'default'],
        },
      },
      'boundaries/elements': [
        ...packages.map((name) => at(name, `packages/${name}`)),
        at('testing', 'packages/testing'),
        ...apps.map((name) => at(name, `apps/${name}`)),
        at('tests', 'tests'),
        at('bench', 'bench'),
      ],
    },
    rules: {
      'no-console': 'error',
      // Node 20 answers false for texts in Latin-1 once the caller is compiled.
      'no-restricted-properties': [
        'error',
        { object: 'URL', property: 'canParse', message: 'Use parseUrl of @posthorn/domain.' },
      ],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'The environment is read once, in main.ts.',
        },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Our objects are closures: their methods use no `this`, so they can be passed on by themselves.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: Object.entries(mayImport).map(([from, allowed]) => ({
            from: { element: { type: from } },
            allow: [from, ...allowed].map((type) => ({ to: { element: { type } } })),
          })),
        },
      ],
    },
  },
  {
    // Statements live beside the step that runs them, in `*.sql.ts`, and nowhere else.
    files: ['apps/**/*.ts', 'packages/**/*.ts'],
    ignores: [
      'packages/database/**',
      'packages/embedded/**',
      'packages/testing/**',
      '**/*.sql.ts',
      '**/*.test.ts',
      '**/test-support/**',
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [{ name: 'pg', message: 'Only *.sql.ts and packages/database talk to Postgres.' }],
          patterns: [
            { group: ['@prisma/*'], message: 'Only *.sql.ts and packages/database talk to Postgres.' },
          ],
        },
      ],
    },
  },
  {
    files: ['packages/queue/src/**/*.ts', 'apps/*/src/start-*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // Tests reach for the test services, which sit above what they test.
    files: [
      '**/*.test.ts',
      '**/test-support/**/*.ts',
      'packages/testing/src/**/*.ts',
      'scripts/**/*.ts',
      'tests/**/*.ts',
    ],
    rules: {
      'boundaries/dependencies': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-floating-promises': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
      ],
    },
  },
  {
    // Benchmarks are programs of their own.
    files: ['bench/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'No default exports.' },
      ],
    },
  },
  {
    // Prisma asks for a default export.
    files: ['prisma.config.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false, project: null } },
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['**/*.mjs', '**/*.cjs'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearTimeout: 'readonly',
        clearInterval: 'readonly',
        performance: 'readonly',
        setImmediate: 'readonly',
      },
    },
  },
);

import os from 'node:os';

const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  // Workspace packages resolve to their TypeScript sources, so unit and integration tests need no build.
  testEnvironmentOptions: { customExportConditions: ['posthorn-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['/dist/', '<rootDir>/\\.posthorn/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  ...extra,
});

const inCi = process.env.CI === 'true';

const retried = inCi && { setupFilesAfterEnv: ['<rootDir>/scripts/jest-retry.mjs'] };

const services = {
  ...retried,
  globalSetup: '<rootDir>/scripts/jest-services.mjs',
  globalTeardown: '<rootDir>/scripts/jest-services-stop.mjs',
};

export default {
  projects: [
    project(
      'unit',
      [
        '<rootDir>/{apps,packages}/*/src/**/!(*.integration).test.ts',
        '<rootDir>/{scripts,tests/api,tests/docs}/**/!(*.integration).test.ts',
      ],
      { ...retried },
    ),
    project(
      'integration',
      [
        '<rootDir>/{apps,packages}/*/src/**/*.integration.test.ts',
        '<rootDir>/tests/api/**/*.integration.test.ts',
      ],
      services,
    ),
    project('e2e', ['<rootDir>/tests/e2e/**/*.test.ts'], services),
  ],
  // Tests wait more than they compute: also on two cores, two files at a time are faster than one.
  maxWorkers: Math.max(2, os.availableParallelism() - 1),
  collectCoverageFrom: ['{apps,packages}/*/src/**/*.ts', '!**/generated/**', '!**/*.test.ts'],
  coverageProvider: 'v8',
  // For tests that set no limit of their own; CI machines are shared and may be several times slower.
  testTimeout: inCi ? 120_000 : 30_000,
};

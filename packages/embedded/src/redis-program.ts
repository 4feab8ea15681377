export interface RedisProgram {
  path: string;
  /** Where it finds the libraries that came with it. */
  libraryPath: string | null;
  from: 'PATH' | 'Debian package';
}

export function redisEnvironment(program: RedisProgram): Record<string, string> {
  return program.libraryPath === null ? {} : { LD_LIBRARY_PATH: program.libraryPath };
}

import path from 'node:path';
import ts from 'typescript';

/** One event of the log, as all calls together write it. */
export interface LogEvent {
  levels: Set<string>;
  fields: Set<string>;
  /** A call passes fields whose names its type does not say. */
  open: boolean;
}

const levels = ['debug', 'info', 'warn', 'error'];
const notShipped = /\.test\.ts$|\/test-support\/|\/generated\/|\/packages\/testing\//;

/**
 * The events that the code of `apps` and `packages` logs, by the types of the arguments: a name is a text or a union of
 * texts, fields are the members of an object, or of what a function returns. A name that no type says is given as `string`.
 */
export function findLogEvents(root: string): Map<string, LogEvent> {
  const file = ts.readConfigFile(path.join(root, 'tsconfig.json'), (name) => ts.sys.readFile(name));
  const { fileNames, options } = ts.parseJsonConfigFileContent(file.config, ts.sys, root);
  const shipped = fileNames.filter((name) => isOurs(root, name));
  const program = ts.createProgram({ rootNames: shipped, options });
  const checker = program.getTypeChecker();
  const events = new Map<string, LogEvent>();

  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name, expression } = node.expression;
      if (levels.includes(name.text) && isLogger(checker.getTypeAtLocation(expression), name.text))
        note(name.text, node.arguments[0], node.arguments[1]);
    }
    ts.forEachChild(node, visit);
  };
  const note = (level: string, event?: ts.Expression, fields?: ts.Expression): void => {
    if (!event) return;
    for (const name of namesOf(checker.getTypeAtLocation(event))) {
      const known = events.get(name) ?? { levels: new Set(), fields: new Set(), open: false };
      events.set(name, known);
      known.levels.add(level);
      const members = fields ? membersOf(checker, checker.getTypeAtLocation(fields)) : [];
      if (fields && members.length === 0) known.open = true;
      for (const member of members) known.fields.add(member);
    }
  };
  for (const source of program.getSourceFiles()) if (isOurs(root, source.fileName)) visit(source);
  return events;
}

function isOurs(root: string, name: string): boolean {
  return /^(apps|packages)\//.test(path.relative(root, name)) && !notShipped.test(name);
}

/** Whether it has every level, or the method is one of an interface that is called a logger. */
function isLogger(type: ts.Type, method: string): boolean {
  const given = type.getNonNullableType();
  if (levels.every((level) => given.getProperty(level)) && !given.getProperty('log')) return true;
  const declared = given.getProperty(method)?.declarations ?? [];
  return declared.some(({ parent }) => ts.isInterfaceDeclaration(parent) && /Logger$/.test(parent.name.text));
}

function namesOf(type: ts.Type): string[] {
  if (type.isUnion()) return type.types.flatMap(namesOf);
  return [type.isStringLiteral() ? type.value : 'string'];
}

function membersOf(checker: ts.TypeChecker, type: ts.Type): string[] {
  const [call] = type.getCallSignatures();
  if (call) return membersOf(checker, call.getReturnType());
  if (type.isUnion()) return [...new Set(type.types.flatMap((each) => membersOf(checker, each)))];
  return checker.getPropertiesOfType(type).map(({ name }) => name);
}

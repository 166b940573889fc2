// The types of the package as one file: of each declaration that TypeScript writes for the sources
// what the public ones refer to, and no more. So nobody meets a name that can't be imported, and an
// editor reads one file instead of a hundred.

import path from "node:path";
import ts from "typescript";
import { root } from "../toolchain.mjs";
import { blankComments } from "./bundle.ts";

/** What the types need beyond ES2024 and a library with web standards (DOM, or a runtime's own). */
const LIBRARIES = '/// <reference lib="esnext.disposable" />';

/** A declaration: its file and its name there. */
interface Place {
  file: string;
  name: string;
}

/** A declaration file, by its statements. */
interface Declarations {
  source: ts.SourceFile;
  /** What declares a name of this file; overloads are several statements. */
  declared: Map<string, ts.Statement[]>;
  /** Names of other files, as they are called in this one. */
  imported: Map<string, Place>;
  /** What `export … from` passes on, by the name it gets. */
  passedOn: Map<string, Place>;
  /** Files all of whose exports are passed on. */
  passedOnWhole: string[];
}

/** The text of the one `.d.ts` file, and the names that it exports. */
export function bundleDeclarations(entry = "mod.ts"): { text: string; names: string[] } {
  const files = emitDeclarations(entry);
  const exported = exportsOf(files, entry);
  const kept = reachable(files, [...exported.values()]);
  const called = callAll(kept, exported);

  const parts = [LIBRARIES, moduleComment(files.get(entry)!.source)];
  for (const { file, name } of kept) {
    const isPublic = exported.has(called(file, name));
    for (const statement of files.get(file)!.declared.get(name)!) {
      parts.push(textOf(statement, isPublic, (word) => {
        const place = resolve(files, file, word);
        return place === undefined ? word : called(place.file, place.name);
      }));
    }
  }
  // Without it TypeScript takes everything in a declaration file for exported.
  parts.push("export {};");
  return { text: `${parts.join("\n")}\n`, names: [...exported.keys()].sort() };
}

/** What TypeScript would write for every file that `entry` leads to. */
function emitDeclarations(entry: string): Map<string, Declarations> {
  const config = ts.readConfigFile(path.join(root, "tsconfig.core.json"), ts.sys.readFile).config;
  const options = ts.parseJsonConfigFileContent(config, ts.sys, root).options;
  Object.assign(options, {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: root,
    outDir: root,
  });
  const program = ts.createProgram([path.join(root, entry)], options);
  const files = new Map<string, Declarations>();
  program.emit(undefined, (name, text) => {
    const file = path.relative(root, name).replaceAll(path.sep, "/").replace(/\.d\.ts$/, ".ts");
    files.set(file, read(file, text));
  });
  return files;
}

function read(file: string, text: string): Declarations {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const result: Declarations = {
    source,
    declared: new Map(),
    imported: new Map(),
    passedOn: new Map(),
    passedOnWhole: [],
  };
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) readImport(file, statement, result);
    else if (ts.isExportDeclaration(statement)) readExport(file, statement, result);
    else {
      for (const name of namesOf(statement)) {
        result.declared.set(name, [...result.declared.get(name) ?? [], statement]);
      }
    }
  }
  return result;
}

function readImport(file: string, statement: ts.ImportDeclaration, result: Declarations): void {
  const bindings = statement.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return;
  const from = target(file, statement.moduleSpecifier);
  for (const { name, propertyName } of bindings.elements) {
    result.imported.set(name.text, { file: from, name: (propertyName ?? name).text });
  }
}

function readExport(file: string, statement: ts.ExportDeclaration, result: Declarations): void {
  if (statement.moduleSpecifier === undefined) return; // the mark of a module
  const from = target(file, statement.moduleSpecifier);
  const clause = statement.exportClause;
  if (clause === undefined) result.passedOnWhole.push(from);
  else if (ts.isNamedExports(clause)) {
    for (const { name, propertyName } of clause.elements) {
      result.passedOn.set(name.text, { file: from, name: (propertyName ?? name).text });
    }
  }
}

/** The file that a specifier names; of a package it is the specifier. */
function target(file: string, specifier: ts.Expression): string {
  const { text } = specifier as ts.StringLiteral;
  return text.startsWith(".") ? path.posix.join(path.posix.dirname(file), text) : text;
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => (name as ts.Identifier).text);
  }
  const { name } = statement as ts.DeclarationStatement;
  return name === undefined ? [] : [name.text];
}

/** The public names, and where each is declared. */
function exportsOf(files: Map<string, Declarations>, file: string): Map<string, Place> {
  const { declared, passedOn, passedOnWhole } = files.get(file)!;
  const found = new Map<string, Place>();
  for (const [name, statements] of declared) {
    if (statements.some(isExported)) found.set(name, { file, name });
  }
  for (const whole of passedOnWhole) {
    for (const [name, place] of exportsOf(files, whole)) found.set(name, place);
  }
  for (const [name, place] of passedOn) {
    const origin = exportsOf(files, place.file).get(place.name);
    if (origin === undefined) throw new Error(`${file}: ${place.file} has no ${place.name}`);
    found.set(name, origin);
  }
  return found;
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some((modifier) =>
        modifier.kind === ts.SyntaxKind.ExportKeyword
      ) === true;
}

/** What these declarations need, themselves included, in the order in which it is met. */
function reachable(files: Map<string, Declarations>, from: Place[]): Place[] {
  const kept = new Map<string, Place>();
  const visit = (place: Place): void => {
    const key = keyOf(place.file, place.name);
    if (kept.has(key)) return;
    kept.set(key, place);
    for (const statement of files.get(place.file)?.declared.get(place.name) ?? missing(place)) {
      for (const { text } of wordsOf(statement)) {
        const needed = resolve(files, place.file, text);
        if (needed !== undefined) visit(needed);
      }
    }
  };
  from.forEach(visit);
  return [...kept.values()];
}

/** Where a word of a file is declared; undefined if that isn't in our files. */
function resolve(files: Map<string, Declarations>, file: string, word: string): Place | undefined {
  const { declared, imported } = files.get(file)!;
  if (declared.has(word)) return { file, name: word };
  const other = imported.get(word);
  if (other === undefined) return undefined;
  return files.has(other.file) ? exportsOf(files, other.file).get(other.name) : other;
}

function missing({ file, name }: Place): never {
  throw new Error(`a public type refers to ${name} of ${file}, which is not ours`);
}

/** Gives everything a name in the one file: its own, unless another, or a public one, has it. */
function callAll(
  kept: Place[],
  exported: Map<string, Place>,
): (file: string, name: string) => string {
  const names = new Map<string, string>();
  for (const [name, place] of exported) names.set(keyOf(place.file, place.name), name);
  const taken = new Set(exported.keys());
  for (const { file, name } of kept) {
    if (names.has(keyOf(file, name))) continue;
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${name}${count}`;
    taken.add(free);
    names.set(keyOf(file, name), free);
  }
  return (file, name) => names.get(keyOf(file, name))!;
}

function keyOf(file: string, name: string): string {
  return `${file} ${name}`;
}

/** Every identifier in it that may mean a declaration, its own name among them. */
function wordsOf(statement: ts.Statement): ts.Identifier[] {
  const words: ts.Identifier[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportTypeNode(node)) throw new Error(`not supported: ${node.getText()}`);
    const owner = node.parent as ts.NamedDeclaration;
    const isMember = (owner as ts.Node) !== statement && !ts.isVariableDeclaration(owner) &&
      owner.name === node;
    if (ts.isIdentifier(node) && !isMember) words.push(node);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(statement, visit);
  return words;
}

/** The comment at the head of a file, which describes the module. */
function moduleComment(source: ts.SourceFile): string {
  const [range] = ts.getLeadingCommentRanges(source.text, 0) ?? [];
  return range === undefined ? "" : source.text.slice(range.pos, range.end);
}

/**
 * A statement, its words replaced; with its comments and exported if it is public. Of the others
 * only the types matter.
 */
function textOf(
  statement: ts.Statement,
  isPublic: boolean,
  replace: (word: string) => string,
): string {
  const source = statement.getSourceFile();
  const start = statement.getStart(source);
  let code = statement.getText(source);
  for (const word of wordsOf(statement).reverse()) {
    const from = word.getStart(source) - start;
    code = code.slice(0, from) + replace(word.text) + code.slice(from + word.text.length);
  }
  // Half of TypeScript's indentation: it is a good part of the file.
  const indented = (text: string) =>
    text.replace(/^( {4})+/gm, (indent) => " ".repeat(indent.length / 2));
  if (!isPublic) {
    const bare = blankComments(code).replace(/^\s*\n/gm, "");
    return indented(bare.replace(/^export (?=declare |interface |type )/, ""));
  }
  const comment = ts.getJSDocCommentsAndTags(statement).at(-1)?.getText(source);
  return indented([...(comment === undefined ? [] : [comment]), code].join("\n"));
}

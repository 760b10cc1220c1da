// How the code of a module comes to stop at each step: see stepwise.ts.

import ts from 'typescript';

/** Arrays that are shared. */
const SHARED = /^#?(words|doubles|devices|times|arrived)$/;

type FunctionNode =
  | ts.FunctionDeclaration
  | ts.MethodDeclaration
  | ts.GetAccessorDeclaration
  | ts.FunctionExpression
  | ts.ArrowFunction;

function isFunctionNode(node: ts.Node): node is FunctionNode {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isGetAccessorDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isArrowFunction(node)
  );
}

/** The last name of what is called, read or declared; undefined where there is none. */
function nameOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) return node.text;
  return ts.isPropertyAccessExpression(node) ? node.name.text : undefined;
}

function declaredName(node: FunctionNode): string | undefined {
  const { parent } = node;
  if (node.name !== undefined) return nameOf(node.name);
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) ? nameOf(parent.name) : undefined;
}

function atomicsCall(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
  return nameOf(node.expression.expression) === 'Atomics' ? node.expression.name.text : undefined;
}

function isSharedElement(node: ts.Node, { plain }: Stopping): node is ts.ElementAccessExpression {
  if (!ts.isElementAccessExpression(node) || !SHARED.test(nameOf(node.expression) ?? '')) return false;
  return plain.has(node.getSourceFile().fileName);
}

/** What stops, by name; getters apart. */
interface Stopping {
  readonly functions: Set<string>;
  readonly getters: Set<string>;
  /** files in which plain reads and writes of shared arrays are steps as well */
  readonly plain: ReadonlySet<string>;
}

/** Whether the body of a function, without the functions in it, has a step or calls what has. */
function stops(node: FunctionNode, stopping: Stopping): boolean {
  const { functions, getters } = stopping;
  let found = false;
  const look = (inner: ts.Node): void => {
    if (found || isFunctionNode(inner)) return;
    if (atomicsCall(inner) !== undefined || isSharedElement(inner, stopping)) found = true;
    else if (ts.isCallExpression(inner)) found = functions.has(nameOf(inner.expression) ?? '');
    else if (ts.isPropertyAccessExpression(inner)) found = getters.has(inner.name.text);
    if (!found) ts.forEachChild(inner, look);
  };
  if (node.body !== undefined) look(node.body);
  return found;
}

/** Every function of the modules whose execution may stop, and those names. */
export function findStopping(
  sources: readonly ts.SourceFile[],
  plain: ReadonlySet<string>,
): { names: Stopping; nodes: Set<FunctionNode> } {
  const all: FunctionNode[] = [];
  const collect = (node: ts.Node): void => {
    if (isFunctionNode(node)) all.push(node);
    ts.forEachChild(node, collect);
  };
  for (const source of sources) collect(source);
  const names: Stopping = { functions: new Set(['readSync']), getters: new Set(), plain };
  const nodes = new Set<FunctionNode>();
  for (let more = true; more; ) {
    more = false;
    for (const node of all) {
      if (nodes.has(node) || !stops(node, names)) continue;
      nodes.add(node);
      more = true;
      const name = declaredName(node);
      if (name !== undefined) (ts.isGetAccessorDeclaration(node) ? names.getters : names.functions).add(name);
    }
  }
  return { names, nodes };
}

const { factory } = ts;

function call(name: string, ...values: ts.Expression[]): ts.Expression {
  return factory.createCallExpression(factory.createIdentifier(name), undefined, values);
}

/** `(yield* $run(value))`: if the value is a generator of ours, its result. */
function run(value: ts.Expression): ts.Expression {
  const star = factory.createToken(ts.SyntaxKind.AsteriskToken);
  return factory.createParenthesizedExpression(factory.createYieldExpression(star, call('$run', value)));
}

function isInConstructor(node: ts.Node): boolean {
  if (ts.isConstructorDeclaration(node)) return true;
  return node.parent !== undefined && !isFunctionNode(node) && isInConstructor(node.parent);
}

/** `(yield { kind, args })`: one step. */
function step(kind: string, args: readonly ts.Expression[]): ts.Expression {
  const properties = [
    factory.createPropertyAssignment('kind', factory.createStringLiteral(kind)),
    factory.createPropertyAssignment('args', factory.createArrayLiteralExpression(args)),
  ];
  return factory.createParenthesizedExpression(
    factory.createYieldExpression(undefined, factory.createObjectLiteralExpression(properties)),
  );
}

/** The text of a module in which what stops is a generator. @param importOf what is imported in place of a module */
export function rewrite(
  source: ts.SourceFile,
  found: ReturnType<typeof findStopping>,
  importOf: (from: string) => string,
): string {
  const { names, nodes } = found;
  const star = factory.createToken(ts.SyntaxKind.AsteriskToken);
  const generatorOf = (parameters: readonly ts.ParameterDeclaration[], body: ts.ConciseBody) =>
    factory.createFunctionExpression(
      undefined,
      star,
      undefined,
      undefined,
      parameters,
      undefined,
      ts.isBlock(body) ? body : factory.createBlock([factory.createReturnStatement(body)]),
    );
  const transformer: ts.TransformerFactory<ts.SourceFile> = (context) => {
    const visit = (node: ts.Node, inside: boolean): ts.VisitResult<ts.Node> => {
      const each = <T extends ts.Node>(of: T): T => ts.visitEachChild(of, (child) => visit(child, inside), context);
      const expression = (of: ts.Expression): ts.Expression => visit(of, inside) as ts.Expression;
      if (ts.isImportDeclaration(node)) {
        const to = factory.createStringLiteral(importOf((node.moduleSpecifier as ts.StringLiteral).text));
        return factory.updateImportDeclaration(node, node.modifiers, node.importClause, to, node.attributes);
      }
      if (isFunctionNode(node)) return visitFunction(node);
      if (!inside) {
        // A constructor cannot stop: nobody else has the object yet.
        const stopping = ts.isCallExpression(node) && names.functions.has(nameOf(node.expression) ?? '');
        return stopping && isInConstructor(node) ? call('$finish', each(node)) : each(node);
      }
      const atomic = atomicsCall(node);
      if (atomic !== undefined) return step(atomic, (node as ts.CallExpression).arguments.map(expression));
      if (isSharedElement(node, names))
        return step('read', [expression(node.expression), expression(node.argumentExpression)]);
      if (ts.isBinaryExpression(node) && isSharedElement(node.left, names)) {
        const { operatorToken, left, right } = node;
        const array = expression(left.expression);
        const at = expression(left.argumentExpression);
        const { PlusEqualsToken, MinusEqualsToken, EqualsToken } = ts.SyntaxKind;
        if (operatorToken.kind === EqualsToken) return step('write', [array, at, expression(right)]);
        if (operatorToken.kind !== PlusEqualsToken && operatorToken.kind !== MinusEqualsToken) return each(node);
        const plus = operatorToken.kind === PlusEqualsToken;
        const sum = factory.createBinaryExpression(
          step('read', [array, at]),
          plus ? ts.SyntaxKind.PlusToken : ts.SyntaxKind.MinusToken,
          factory.createParenthesizedExpression(expression(right)),
        );
        return step('write', [array, at, sum]);
      }
      // Getters that stop are not called where they are assigned to, and are where they are taken out of an object.
      if (
        ts.isBinaryExpression(node) &&
        ts.isPropertyAccessExpression(node.left) &&
        node.operatorToken.kind === ts.SyntaxKind.EqualsToken
      )
        return factory.updateBinaryExpression(node, each(node.left), node.operatorToken, expression(node.right));
      if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name) && node.initializer !== undefined) {
        const taken = node.name.elements.map(({ propertyName, name }) => nameOf(propertyName ?? name)!);
        if (!taken.some((name) => names.getters.has(name))) return each(node);
        const list = factory.createArrayLiteralExpression(taken.map((name) => factory.createStringLiteral(name)));
        const picked = run(call('$pick', expression(node.initializer), list));
        return factory.updateVariableDeclaration(node, node.name, undefined, undefined, picked);
      }
      if (ts.isCallExpression(node)) return run(each(node));
      if (ts.isPropertyAccessExpression(node) && names.getters.has(node.name.text)) return run(each(node));
      return each(node);
    };
    const visitFunction = (node: FunctionNode): ts.Node => {
      const stopping = nodes.has(node);
      const body = ts.visitEachChild(node, (child) => visit(child, stopping), context);
      if (!stopping || body.body === undefined) return body;
      if (ts.isFunctionDeclaration(body))
        return factory.updateFunctionDeclaration(
          body,
          body.modifiers,
          star,
          body.name,
          undefined,
          body.parameters,
          undefined,
          body.body,
        );
      if (ts.isMethodDeclaration(body))
        return factory.updateMethodDeclaration(
          body,
          body.modifiers,
          star,
          body.name,
          undefined,
          undefined,
          body.parameters,
          undefined,
          body.body,
        );
      const inner = factory.createParenthesizedExpression(generatorOf(body.parameters, body.body));
      if (ts.isGetAccessorDeclaration(body)) {
        const made = factory.createCallExpression(factory.createPropertyAccessExpression(inner, 'call'), undefined, [
          factory.createThis(),
        ]);
        const block = factory.createBlock([factory.createReturnStatement(made)]);
        return factory.updateGetAccessorDeclaration(body, body.modifiers, body.name, [], undefined, block);
      }
      return factory.createCallExpression(factory.createPropertyAccessExpression(inner, 'bind'), undefined, [
        factory.createThis(),
      ]);
    };
    return (file) => visit(file, false) as ts.SourceFile;
  };
  const [result] = ts.transform(source, [transformer]).transformed;
  return ts.createPrinter().printFile(result);
}

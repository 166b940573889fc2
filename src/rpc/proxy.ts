/**
 * Objects whose every property is a method, at any depth.
 *
 * @module
 */

/** Names that promises and inspectors ask every object for: never methods of a server. */
const NEVER = new Set<string>(["then", "catch", "finally", "toJSON", "constructor", "prototype"]);

/** What every function can do. A method of such a name is called by its path: `remote["a.call"]`. */
const OF_FUNCTIONS = new Map<string, unknown>([
  ["apply", Function.prototype.apply],
  ["bind", Function.prototype.bind],
  ["call", Function.prototype.call],
]);

type Invoke = (path: string, args: unknown[]) => unknown;

/** An object whose methods call `invoke` with their path. Methods are made once. */
export function methodProxy(invoke: Invoke): object {
  return proxyAt("", invoke);
}

function proxyAt(prefix: string, invoke: Invoke): object {
  const known = new Map<string, object>();
  const remote = (): void => {};
  return new Proxy(remote, {
    get(_target, key) {
      // Whoever makes a text of it mustn't make calls.
      if (key === Symbol.toPrimitive) return () => `[remote ${prefix === "" ? "api" : prefix}]`;
      if (typeof key !== "string" || NEVER.has(key)) return undefined;
      let method = known.get(key);
      if (method === undefined) {
        // The whole api is no function, so there these are names like others.
        if (prefix !== "" && OF_FUNCTIONS.has(key)) return OF_FUNCTIONS.get(key);
        method = proxyAt(prefix === "" ? key : `${prefix}.${key}`, invoke);
        known.set(key, method);
      }
      return method;
    },
    apply: (_target, _self, args: unknown[]) => invoke(prefix, args),
    set: refuse,
    defineProperty: refuse,
    deleteProperty: refuse,
    setPrototypeOf: refuse,
  });
}

/** Nothing can be put on it: a strict program gets a TypeError. */
function refuse(): boolean {
  return false;
}

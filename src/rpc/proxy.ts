/**
 * Objects whose every property is a method, at any depth.
 *
 * @module
 */

/** Names that promises and inspectors ask every object for: never methods of a server. */
const NEVER = new Set<string>(["then", "catch", "finally", "toJSON", "constructor", "prototype"]);

type Invoke = (path: string, args: unknown[]) => unknown;

/** An object whose methods call `invoke` with their path. Methods are made once. */
export function methodProxy(invoke: Invoke): object {
  return proxyAt("", invoke);
}

function proxyAt(prefix: string, invoke: Invoke): object {
  const known = new Map<string, object>();
  const target = (): void => {};
  return new Proxy(target, {
    get(_target, key) {
      // Whoever makes a text of it mustn't make calls.
      if (key === Symbol.toPrimitive) return () => `[remote ${prefix === "" ? "api" : prefix}]`;
      if (typeof key !== "string" || NEVER.has(key)) return undefined;
      let method = known.get(key);
      if (method === undefined) {
        method = proxyAt(prefix === "" ? key : `${prefix}.${key}`, invoke);
        known.set(key, method);
      }
      return method;
    },
    apply: (_target, _self, args: unknown[]) => invoke(prefix, args),
  });
}
